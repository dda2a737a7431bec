/* What the explorer draws: curves with bands, and intervals on an axis, as SVG. */
"use strict";

const drawing = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  /* An element; children may be elements or texts, so that no text of the data is read as markup. */
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function svg(name, attributes = {}, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  /* Three significant digits, and the sign that fits them. */
  function number(value) {
    if (value === null || value === undefined) return "–";
    const text = Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
    return text.replace("-", "−");
  }

  /* Round numbers from 0 on, at most `most` steps apart. */
  function ticks(top, most) {
    const power = 10 ** Math.floor(Math.log10(top / most));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => top / one <= most);
    return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
  }

  /* Curves over a length: series of {name, kind, length, mean, spread}, axes of {x, y, top}. */
  function curves(series, axes, width) {
    const height = Math.min(300, Math.max(220, width * 0.55));
    const left = 54, right = 12, above = 10, below = 46;
    const longest = Math.max(...series.map((one) => one.length.at(-1)));
    const x = (value) => left + ((width - left - right) * value) / longest;
    const y = (value) => height - below - ((height - above - below) * value) / axes.top;
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
    for (const tick of ticks(axes.top, 5)) {
      picture.append(
        svg("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
        svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, number(tick)),
      );
    }
    for (const tick of ticks(longest, Math.max(3, Math.floor(width / 90)))) {
      picture.append(
        svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: height - below, y2: height - below + 4 }),
        svg("text", { x: x(tick), y: height - below + 17, "text-anchor": "middle" }, number(tick)),
      );
    }
    picture.append(
      svg("path", { class: "axis", d: `M${left},${above}V${height - below}H${width - right}` }),
      svg("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, axes.x),
      svg("text", { transform: `translate(13,${(above + height - below) / 2}) rotate(-90)`, "text-anchor": "middle" }, axes.y),
    );
    const path = (one, values) => one.length.map((r, i) => `${x(r).toFixed(1)},${y(values(i)).toFixed(1)}`);
    for (const one of series) {
      const upper = path(one, (i) => one.mean[i] + one.spread[i]);
      const lower = path(one, (i) => Math.max(one.mean[i] - one.spread[i], 0)).reverse();
      picture.append(svg("polygon", { class: `band ${one.kind}`, points: [...upper, ...lower].join(" ") }));
    }
    for (const one of series) {
      picture.append(svg("polyline", { class: `curve ${one.kind}`, points: path(one, (i) => one.mean[i]).join(" ") }));
    }
    return picture;
  }

  /* Means with intervals on one axis: rows of {kind, mean, low, high, singles}; null draws an empty line. */
  function intervals(rows, ends) {
    const line = 17, height = rows.length * line + 22;
    const share = (value) => (100 * (value - ends[0])) / (ends[1] - ends[0]);
    const percent = (value) => `${Math.min(Math.max(share(value), 0), 100).toFixed(2)}%`;
    const picture = svg("svg", { class: "intervals", width: "100%", height, "aria-hidden": "true" });
    rows.forEach((row, i) => {
      if (row === null) return;
      const y = i * line + 10;
      const group = svg("g", { class: row.kind });
      for (const single of row.singles) group.append(svg("circle", { class: "single", cx: percent(single), cy: y, r: 2.5 }));
      if (row.low !== null) {
        group.append(svg("line", { class: "whisker", x1: percent(row.low), x2: percent(row.high), y1: y, y2: y }));
        // Beyond the axis the whisker ends in an arrow, on it in a cross-bar.
        if (share(row.low) < 0) group.append(svg("path", { class: "arrow", d: `M5,${y - 4}L0,${y}L5,${y + 4}` }));
        else group.append(svg("line", { class: "whisker", x1: percent(row.low), x2: percent(row.low), y1: y - 4, y2: y + 4 }));
        if (share(row.high) > 100) group.append(svg("svg", { x: "100%", overflow: "visible" }, svg("path", { class: "arrow", d: `M-5,${y - 4}L0,${y}L-5,${y + 4}` })));
        else group.append(svg("line", { class: "whisker", x1: percent(row.high), x2: percent(row.high), y1: y - 4, y2: y + 4 }));
      }
      const at = svg("svg", { x: percent(row.mean), y, overflow: "visible" });
      const shapes = { real: "M-4,0A4,4,0,1,0,4,0A4,4,0,1,0,-4,0Z", generated: "M-5,0L0,-5L5,0L0,5Z", linkage: "M-4,-4H4V4H-4Z" };
      at.append(svg("path", { class: "mean", d: shapes[row.kind] }));
      group.append(at);
      picture.append(group);
    });
    const base = rows.length * line + 4;
    picture.append(
      svg("line", { class: "axis", x1: "0%", x2: "100%", y1: base, y2: base }),
      svg("text", { x: "0%", y: base + 14 }, number(ends[0])),
      svg("text", { x: "100%", y: base + 14, "text-anchor": "end" }, number(ends[1])),
    );
    return picture;
  }

  function table(caption, header, rows) {
    return element(
      "table", {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...header.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map(([head, ...cells]) =>
        element("tr", {}, element("th", { scope: "row" }, head), ...cells.map((cell) => element("td", {}, cell))))),
    );
  }

  return { element, number, curves, intervals, table };
})();
