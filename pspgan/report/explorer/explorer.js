/* Lets the reader choose a combination of process factors, and shows what is known of it. */
"use strict";

(() => {
  const { element, number, curves, intervals, table } = drawing;
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const root = document.getElementById("exploring");
  const at = (name) => root.querySelector(`[data-at="${name}"]`);
  const input = (name) => document.getElementById(name);
  const reference = data.reference;

  const factors = data.factors.map((factor, i) => {
    const box = root.querySelector(`[data-factor="${i}"]`);
    const radios = [...box.querySelectorAll("input[type=radio]")];
    const exact = input(`exact-${i}`);
    const one = { ...factor, box, radios, exact, control: input(`factor-${i}`), index: 0, typed: null };
    for (const part of [...radios, one.control].filter(Boolean)) {
      part.addEventListener("input", () => {
        choose(i, radios.length ? radios.findIndex((radio) => radio.checked) : Number(part.value));
        ask();
      });
    }
    // Only when the number is complete: 8 and 85 are not asked for on the way to 850.
    exact?.addEventListener("change", () => {
      const text = exact.value;
      if (text === "") return;
      const index = one.keys.findIndex((key) => Number(key) === Number(text));
      choose(i, index < 0 ? nearestIndex(one, Number(text)) : index);
      if (index < 0) one.typed = exact.value = text;
      ask();
    });
    return one;
  });

  let first = 0; // seed of the first generated micrograph: its place among those of the page, or the seed itself
  let answered = null;

  const key = (other = {}) => factors.map((factor, i) => factor.keys[other[i] ?? factor.index]).join("-");

  function nearestIndex(factor, value) {
    const away = factor.keys.map((one) => Math.abs(Number(one) - value));
    return away.indexOf(Math.min(...away));
  }

  function choose(i, index) {
    const factor = factors[i];
    [factor.index, factor.typed] = [index, null];
    if (factor.radios.length) factor.radios[index].checked = true;
    else if (factor.control) factor.control.value = index;
    if (factor.exact) factor.exact.value = factor.keys[index];
  }

  function chooseCondition(name) {
    const answer = data.combinations[name];
    if (answer) answer.at.forEach((index, i) => choose(i, index));
  }

  /* What is set, beside each control, and which of its other values were observed. */
  function mark() {
    factors.forEach((factor, i) => {
      const seen = factor.keys.map((_, k) => data.combinations[key({ [i]: k })]?.badge !== "never observed");
      factor.box.querySelectorAll(".mark, .marks span").forEach((spot, k) => spot.classList.toggle("observed", seen[k]));
      factor.radios.forEach((radio, k) => radio.setAttribute("aria-description", seen[k] ? "observed" : "never observed"));
      if (factor.control?.type !== "range") return;
      const text = factor.typed === null ? factor.texts[factor.index] : `${factor.typed} ${factor.unit}`.trim();
      factor.box.querySelector("output").textContent = text;
      const said = factor.typed === null && seen[factor.index] ? "observed" : "never observed";
      factor.control.setAttribute("aria-valuetext", `${text}, ${said}`);
    });
    const chosen = factors.every((factor) => factor.typed === null) ? key() : "";
    input("jump").value = chosen in data.conditions ? chosen : "";
  }

  function show(answer) {
    answered = answer;
    at("label").textContent = answer.label;
    at("badge").textContent = answer.badge;
    at("badge").hidden = !answer.badge;
    // The heading says it to the eye; the sentence that is read out has to begin with it.
    at("which").textContent = [answer.label, answer.badge].filter(Boolean).join(", ") + ".";
    at("says").textContent = answer.says;
    at("says").classList.remove("error");
    at("near").textContent = answer.near;
    at("near").hidden = !answer.near;
    const real = data.conditions[answer.real]?.real;
    const own = answer.generated ?? data.conditions[answer.condition]?.generated;
    const name = real ? data.conditions[answer.real].label : "";
    at("real-title").textContent = real
      ? `${reference}, ${name}: ${counted(real.count, "micrograph")}, ${counted(real.specimens, "specimen")}`
      : `${reference}: none`;
    at("generated-title").textContent = `generated, ${answer.label}`;
    pictures(at("real"), real?.micrographs ?? []);
    showGenerated(own);
    at("missing").hidden = Boolean(own);
    at("command").textContent = answer.command;
    showCurves(real, own);
    showDescriptors(real, own, answer.predicted?.descriptors);
  }

  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  function showGenerated(side) {
    const every = side?.micrographs ?? [];
    const shown = data.live ? every : [...every.keys()].slice(0, data.shown).map((k) => every[(first + k) % every.length]);
    pictures(at("generated"), shown);
    const seeds = shown.map((one) => /seed (\d+)/.exec(one[1])[1]).join(", ");
    const of = data.live || every.length === side?.count ? "" : ` (${every.length} of ${side?.count} are in this page)`;
    at("seeds").textContent = !side ? "" : shown.length ? `seeds ${seeds}${of}` : "no room in this page";
    input("others").disabled = data.live ? !side : every.length <= data.shown;
    input("others").parentElement.hidden = !side;
  }

  function pictures(box, micrographs) {
    box.replaceChildren(...micrographs.map(([src, alt, share, text]) => {
      const tile = element("span", { class: "tile" }, element("img", { src, alt, title: alt }));
      if (share !== null) {
        const bar = element("span", { class: "bar" });
        bar.style.width = `${share * 100}%`; // of the tile, whatever its width on this screen
        tile.append(bar, element("span", { class: "length" }, text));
      }
      return tile;
    }));
  }

  function series(real, own) {
    const name = answered.near ? `nearest ${reference}` : reference;
    return [
      real?.profile && { name, kind: "real", ...real.profile },
      own?.profile && { name: "generated", kind: "generated", ...own.profile },
      answered.predicted?.profile && { name: "linkage", kind: "linkage", ...answered.predicted.profile },
    ].filter(Boolean);
  }

  function showCurves(real, own) {
    const drawn = series(real, own);
    at("two-point").hidden = !drawn.length;
    if (!drawn.length) return;
    const lines = { real: "solid", generated: "dashed", linkage: "dotted" };
    const words = drawn.map((one) =>
      `${one.name} (${lines[one.kind]}${one.n ? `, n = ${one.n}` : ""}) from ${number(one.mean[0])}, the area fraction, to ${number(one.mean.at(-1))}`);
    const bands = [
      drawn.some((one) => one.n) && "over micrographs",
      answered.predicted?.profile && "of the linkage that of a new specimen's mean",
    ].filter(Boolean);
    at("curves-words").textContent = `Averaged over directions, ${words.join("; ")}. Bands: standard deviation ${bands.join(", ")}.`;
    draw(drawn);
    const rows = drawn[0].length.map((length, i) => [
      number(length),
      ...drawn.map((one) => (i < one.mean.length ? `${number(one.mean[i])} ± ${number(one.spread[i])}` : "–")),
    ]);
    at("curves-table").replaceChildren(
      table(`${data.two_point.y}; mean ± standard deviation`, [data.two_point.x, ...drawn.map((one) => one.name)], rows));
  }

  function draw(drawn) {
    const box = at("curves");
    const highest = drawn.flatMap((one) => one.mean.map((mean, i) => mean + one.spread[i]));
    const axes = { ...data.two_point, top: Math.max(data.two_point.top, ...highest) };
    const picture = curves(drawn, axes, Math.max(box.clientWidth, 260));
    picture.setAttribute("aria-label", `Curves of the ${data.two_point.y} over ${data.two_point.x}. ${at("curves-words").textContent}`);
    box.replaceChildren(picture);
  }

  function showDescriptors(real, own, predicted) {
    const name = answered.near ? `nearest ${reference}` : reference;
    const sides = [[name, "real", real?.descriptors], ["generated", "generated", own?.descriptors]];
    if (predicted) sides.push(["linkage", "linkage", predicted]);
    const rows = data.descriptors.map(({ label, axis }, k) => {
      const found = sides.map(([, kind, values]) => {
        const row = values?.[k];
        if (!row) return null;
        const [mean, low, high, n, singles] = row;
        return { kind, mean, low, high, n, singles: singles ?? [] };
      });
      const cells = found.map((row) => (row === null ? "–" : words(row)));
      return found.some(Boolean) ? [label, ...cells, intervals(found, holding(axis, found))] : null;
    }).filter(Boolean);
    at("descriptors-block").hidden = !rows.length;
    const made = table(`Descriptors of ${answered.label}`, ["descriptor", ...sides.map(([one]) => one), "drawn"], rows);
    // On a narrow screen cells stand below each other, and say themselves what they are.
    made.querySelectorAll("tbody tr").forEach((row) =>
      row.querySelectorAll("td").forEach((cell, k) => {
        cell.className = sides[k]?.[1] ?? "drawn";
        cell.dataset.of = sides[k]?.[0] ?? "";
      }));
    at("descriptors").replaceChildren(made);
  }

  /* The axis that all combinations share, made longer where the mean of what was just generated lies outside. */
  function holding(axis, found) {
    const means = found.filter(Boolean).map((row) => row.mean);
    const low = Math.min(...means), high = Math.max(...means);
    const margin = 0.06 * (high - low || Math.abs(high) || 1);
    return [Math.min(axis?.[0] ?? low - margin, low), Math.max(axis?.[1] ?? high + margin, high)];
  }

  function words({ mean, low, high, n }) {
    const interval = low === null ? "" : ` (${number(low)} to ${number(high)})`;
    return number(mean) + interval + (n === undefined ? "" : `, n = ${n}`);
  }

  let waiting = null;
  let pause = 0;

  /* Find what is known of the chosen combination: in the page, or from the server that it came from. */
  function ask() {
    mark();
    if (!data.live) return show(data.combinations[key()] ?? unknown());
    clearTimeout(pause); // a slider that is dragged past a level does not ask for it
    pause = setTimeout(askServer, 150);
  }

  async function askServer() {
    waiting?.abort();
    const mine = (waiting = new AbortController());
    const query = new URLSearchParams(factors.map((factor) => [factor.name, factor.typed ?? factor.keys[factor.index]]));
    query.append("@seed", first);
    root.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`condition?${query}`, { signal: mine.signal });
      const answer = await reply.json();
      if (!reply.ok) throw new Error(answer.error);
      show(answer);
    } catch (error) {
      if (mine.signal.aborted) return;
      at("says").textContent = error instanceof TypeError ? "The server does not answer; is pspgan app still running?" : error.message;
      at("says").classList.add("error");
    }
    if (mine === waiting) root.removeAttribute("aria-busy");
  }

  function unknown() {
    return {
      condition: "", label: key(), badge: "", real: "", near: "", command: "", predicted: null,
      says: "There are more combinations than a page holds, and of this one there are no micrographs. pspgan app RUN shows any.",
    };
  }

  function fillJump() {
    const groups = { observed: [], "never observed": [] };
    for (const [name, { label }] of Object.entries(data.conditions)) {
      const group = data.combinations[name]?.badge === "never observed" ? "never observed" : "observed";
      groups[group].push(element("option", { value: name }, label));
    }
    const filled = Object.entries(groups).filter(([, options]) => options.length);
    input("jump").append(
      element("option", { value: "" }, "another combination"),
      ...filled.map(([label, options]) => element("optgroup", { label }, ...options)));
    input("jump").addEventListener("change", (event) => {
      chooseCondition(event.target.value);
      ask();
    });
  }

  input("others").addEventListener("click", () => {
    first += data.shown;
    if (input("seed")) input("seed").value = first;
    if (data.live) ask();
    else showGenerated(data.conditions[answered.condition].generated);
  });
  input("seed")?.addEventListener("change", (event) => {
    first = Math.max(0, Math.trunc(Number(event.target.value)) || 0);
    event.target.value = first;
    ask();
  });
  // Curves are drawn as wide as there is room for, so that their texts stay readable.
  new ResizeObserver(() => {
    if (answered && !at("two-point").hidden) {
      draw(series(data.conditions[answered.real]?.real, answered.generated ?? data.conditions[answered.condition]?.generated));
    }
  }).observe(at("curves"));

  root.hidden = false;
  fillJump();
  chooseCondition(data.start);
  ask();
})();
