/* Says in the bar at the top which section is being read. */
"use strict";

(() => {
  const bar = document.querySelector("nav ol");
  const links = [...bar.querySelectorAll("a")];
  const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
  const pinned = { link: null, y: 0 };

  /* That in which a line lies, a quarter down the screen, and farther down where the page ends. */
  function reading() {
    if (pinned.link && pinned.y === scrollY) return pinned.link;
    const left = document.documentElement.scrollHeight - innerHeight - scrollY;
    const line = 0.25 * innerHeight + Math.max(0, 0.75 * innerHeight - left);
    const index = sections.findLastIndex((section) => section.getBoundingClientRect().top <= line);
    return links[Math.max(index, 0)];
  }

  function mark() {
    const current = reading();
    if (current.hasAttribute("aria-current")) return;
    for (const link of links) link.removeAttribute("aria-current");
    current.setAttribute("aria-current", "true");
    // The bar alone is moved: scrollIntoView would move the page as well.
    bar.scrollLeft = current.offsetLeft - (bar.clientWidth - current.offsetWidth) / 2;
  }

  // A section at the end of the page, that cannot come up to the line, is read all the same when it is asked for.
  addEventListener("hashchange", () => requestAnimationFrame(() => {
    pinned.link = links.find((link) => link.hash === location.hash);
    pinned.y = scrollY;
    mark();
  }));
  addEventListener("scroll", mark, { passive: true });
  mark();
})();
