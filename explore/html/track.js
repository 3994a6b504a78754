// The page of `workbench track report --html`: its data are those of its --json (docs/track.md):
// {runs: [{name, revision, date}], cases: [{name, network, machine, figures: [{name, unit, better,
// values}], steps: [{run, previous, kind, verdict, figures, causes, layers}], wall: {seconds,
// steps}}]}. Values are one per run, null where there is none.
"use strict";
(() => {
  const { data, main, element, section, format, chart, select, table, tile, openDetail } = page;
  const { thousands, figure } = format;
  const runs = data.runs;
  const cases = data.cases.map((one, index) => ({ ...one, index }));
  const revision = (run) => (runs[run].revision || runs[run].name || `run ${run + 1}`).slice(0, 10);
  const runText = (run) => revision(run) + (runs[run].date ? ` (${runs[run].date.slice(0, 10)})`
                                                           : "");
  const names = [...new Set(cases.flatMap((one) => one.figures.map(({ name }) => name)))];
  let shownFigure = Math.max(names.indexOf("cycles"), 0);
  const figureOf = (one) => one.figures.find(({ name }) => name === names[shownFigure]);
  const known = (values) => values.filter((value) => value !== null);
  const change = (before, after) => (before ? 100 * (after - before) / before : 0);
  const changeText = (value) => (value === 0 ? "same"
    : `${format.signed(value, Math.abs(value) < 0.1 ? 3 : 2)} %`);
  // Whether a change of a figure is for the worse: 1, -1, or 0 where neither side is better.
  const worse = ({ better }, by) => Math.sign(by) * ({ lower: 1, higher: -1, neither: 0 })[better];
  const tint = (shown, by) => element("span", { class: worse(shown, by) > 0 ? "warning"
    : worse(shown, by) < 0 ? "good" : undefined }, changeText(by));
  const movedText = (one, { name, before, after }) => [
    `${name} ${figure(before)} → ${figure(after)} (`,
    tint(one.figures.find((shown) => shown.name === name) ?? { better: "neither" },
         change(before, after)), ")"];
  const stepsOf = (one) => one.steps.filter((step) =>
    step.figures.some(({ name }) => name === names[shownFigure]));
  const moved = cases.filter((one) => one.steps.length > 0);

  // --- top of the page

  function heads() {
    const last = runs.length - 1;
    main.append(
      element("h1", {}, "History of figures"),
      element("p", { class: "muted subtitle" }, runs.length === 0 ? "no runs"
        : `${format.count(runs.length, "run")}, ${runText(0)} to ${runText(last)}`));
    const steps = cases.reduce((sum, one) => sum + one.steps.length, 0);
    section("totals", "Totals", element("div", { class: "tiles" },
      tile("cases", "cases", thousands(cases.length), ""),
      tile("moved", "cases that moved", thousands(moved.length), format.count(steps, "step")),
      tile("last", "last run", runs.length > 0 ? revision(last) : "–",
           runs.length > 0 ? `${format.count(moved.filter((one) => one.steps.some(
             (step) => step.run === last)).length, "case")} moved in it` : "")));
  }

  // --- charts

  const runAxis = (count) => ({ scale: "x", orient: "bottom", labelOverlap: true, labelAngle: 0,
    encode: { labels: { update: { text: {
      signal: `${JSON.stringify(runs.map((_, i) => revision(i)))}[datum.value]` } } } },
    values: runs.map((_, i) => i).filter((i) => i % Math.ceil(runs.length / count) === 0) });
  const runScale = { name: "x", type: "linear", range: "width", zero: false, nice: false,
                     padding: 10, domain: [0, Math.max(1, runs.length - 1)] };

  // A domain around values that are nearly one.
  function around(values) {
    const low = Math.min(...values), high = Math.max(...values);
    const room = 0.15 * (high - low) || 0.02 * Math.abs(high) || 1;
    return [low - room, high + room];
  }

  const lineMarks = (cursor) => [
    { type: "group", from: { facet: { name: "line", data: "rows", groupby: "index" } }, marks: [
      { type: "line", name: "lines", from: { data: "line" }, encode: { update: {
        x: { scale: "x", field: "run" }, y: { scale: "y", field: "value" },
        stroke: { field: "colour" }, strokeWidth: { value: 1.6 }, strokeOpacity: { value: 0.8 },
        interpolate: { value: "step-after" }, tooltip: { field: "name" }, cursor } } }] },
    { type: "symbol", name: "runs", from: { data: "rows" }, encode: { update: {
      x: { scale: "x", field: "run" }, y: { scale: "y", field: "value" },
      size: { signal: "datum.step ? 130 : 24" }, zindex: { signal: "datum.step ? 1 : 0" },
      fill: { signal: "datum.step ? 'var(--second)' : datum.colour" },
      stroke: { value: "var(--paper)" }, tooltip: { field: "note" }, cursor } } }];

  const causesText = ({ causes }) => causes.map(({ text }) => text).join("; ");

  function rowsOf(one, valueOf, colour) {
    const shown = figureOf(one);
    if (!shown) return [];
    const steps = new Map(stepsOf(one).map((step) => [step.run, step]));
    return shown.values.flatMap((value, run) => (value === null ? [] : [{
      index: one.index, name: one.name, run, value: valueOf(value), colour, step: steps.has(run),
      note: `${one.name} at ${runText(run)}: ${figure(value)} ${shown.unit}` +
        (steps.has(run) ? ` – ${causesText(steps.get(run))}` : "") }]));
  }

  // Steps whose names would not lie on one another, the largest first.
  function named(rows) {
    const span = Math.max(...rows.map(({ value }) => value)) - Math.min(0, ...rows.map(
      ({ value }) => value)) || 1;
    const chosen = [];
    for (const row of rows.filter(({ step }) => step)
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))) {
      const near = (other) => Math.abs(row.value - other.value) < 0.06 * span &&
        Math.abs(row.run - other.run) < 0.4 * runs.length;
      if (!chosen.some(near)) chosen.push(row);
    }
    return chosen;
  }

  // All cases over their first value, in percent.
  function overview(place) {
    const rows = cases.flatMap((one) => {
      const first = known(figureOf(one)?.values ?? [])[0];
      return first ? rowsOf(one, (value) => change(first, value), `var(--cause${one.index % 8})`)
                   : [];
    });
    chart(place, {
      height: 300,
      data: [{ name: "rows", values: rows }, { name: "names", values: named(rows) }],
      scales: [runScale, { name: "y", type: "linear", range: "height", zero: false,
                           domain: around([0, ...rows.map(({ value }) => value)]) }],
      axes: [runAxis(10), { scale: "y", orient: "left", grid: true, tickCount: 6,
                            title: "change since the first run [%]" }],
      marks: [...lineMarks({ value: "pointer" }),
        { type: "text", from: { data: "names" }, interactive: false, encode: { update: {
          x: { scale: "x", field: "run" }, y: { scale: "y", field: "value" },
          dx: { signal: "scale('x', datum.run) > width / 2 ? -12 : 12" }, dy: { value: -6 },
          align: { signal: "scale('x', datum.run) > width / 2 ? 'right' : 'left'" },
          text: { field: "name" }, limit: { signal: "width / 2 - 20" } } } }],
    }, { onClick: (datum) => openCase(datum.index) });
  }

  function caseSpec(one, height) {
    const rows = rowsOf(one, (value) => value, "var(--first)");
    return {
      height,
      data: [{ name: "rows", values: rows }],
      scales: [runScale, { name: "y", type: "linear", range: "height", zero: false,
                           domain: around(rows.map(({ value }) => value)) }],
      axes: [runAxis(height > 150 ? 8 : 3), { scale: "y", orient: "left", grid: true, tickCount: 3,
                                              format: "~s" }],
      marks: lineMarks({ value: height > 150 ? "default" : "pointer" }),
    };
  }

  function wallSpec({ seconds, steps }) {
    const rows = seconds.flatMap((point, run) => (point === null ? [] : [{ run, ...point,
      step: steps.includes(run), note: `${runText(run)}: ${point.median.toPrecision(4)} s, ` +
        `${point.low.toPrecision(4)} to ${point.high.toPrecision(4)}` }]));
    const x = { scale: "x", field: "run" };
    return {
      height: 140,
      data: [{ name: "rows", values: rows }],
      scales: [runScale, { name: "y", type: "linear", range: "height", zero: false,
                           domain: around(rows.flatMap(({ low, high }) => [low, high])) }],
      axes: [runAxis(8), { scale: "y", orient: "left", grid: true, tickCount: 4, format: "~s",
                           title: "seconds" }],
      marks: [
        { type: "rule", from: { data: "rows" }, encode: { update: { x,
          y: { scale: "y", field: "low" }, y2: { scale: "y", field: "high" },
          stroke: { value: "var(--first)" }, strokeOpacity: { value: 0.5 },
          strokeWidth: { value: 3 } } } },
        { type: "symbol", name: "wall", from: { data: "rows" }, encode: { update: { x,
          y: { scale: "y", field: "median" }, size: { value: 60 },
          fill: { signal: "datum.step ? 'var(--second)' : 'var(--first)'" },
          tooltip: { field: "note" } } } }],
    };
  }

  function charts() {
    const place = element("figure", { class: "whole", "aria-label": "history of all cases" });
    const cards = element("div", { class: "cards" });
    const draw = () => {
      overview(place);
      cards.replaceChildren();
      for (const one of cases) {
        const shown = figureOf(one);
        const values = known(shown?.values ?? []);
        if (values.length === 0) continue;
        const by = change(values[0], values[values.length - 1]);
        const spark = element("figure", { class: "whole", "aria-label": one.name });
        cards.append(element("article", { class: "card", onclick: () => openCase(one.index) },
          element("h3", {}, element("button", { type: "button" }, one.name)),
          element("p", { class: "muted" }, `${figure(values[values.length - 1])} ${shown.unit}, `,
                  tint(shown, by), ` since the first run; ` +
                  format.count(stepsOf(one).length, "step")), spark));
        chart(spark, caseSpec(one, 90));
      }
    };
    section("history", "All cases", element("div", { class: "tools" },
      select("figure", names, (i) => { shownFigure = i; draw(); }, shownFigure)), place,
      element("p", { class: "muted" }, "Orange: a run in which the figure moved. A click opens a " +
        "case."));
    section("single", "Case by case", cards);
    draw();
  }

  // --- tables

  function steps() {
    const rows = cases.flatMap((one) => one.steps.map((step) => ({ one, step })));
    section("steps", "Where figures moved", rows.length === 0
      ? element("p", { class: "muted" }, "Nowhere: all runs have the same figures.")
      : table([
        { title: "case", text: ({ one }) => one.name, sort: ({ one }) => one.name },
        { title: "run", text: ({ step }) => runText(step.run), sort: ({ step }) => step.run },
        { title: "what", text: ({ step }) => step.kind, sort: ({ step }) => step.kind },
        { title: "figures", text: ({ one, step }) => [
          step.figures.length > 0 ? movedText(one, step.figures[0]) : [],
          step.figures.length > 1 ? `, ${step.figures.length - 1} more` : ""],
          sort: ({ step }) => (step.figures.length > 0
            ? change(step.figures[0].before, step.figures[0].after) : null) },
        { title: "cause", text: ({ step }) => causesText(step) || "–",
          sort: ({ step }) => causesText(step) },
        { title: "layers", numeric: true, text: ({ step }) => thousands(step.layers.length),
          sort: ({ step }) => step.layers.length }],
        rows, ({ one }) => openCase(one.index)));
  }

  function comparison() {
    const ends = (one) => {
      const values = known(one.figures.find(({ name }) => name === "cycles")?.values ?? []);
      return values.length > 0 ? [values[0], values[values.length - 1]] : [null, null];
    };
    const cycles = (one) => one.figures.find(({ name }) => name === "cycles") ??
                            { better: "lower" };
    const number = (title, valueOf) => ({ title, numeric: true, sort: valueOf,
      text: (one) => (valueOf(one) === null ? "–" : figure(valueOf(one))) });
    const by = (one) => (ends(one)[0] === null ? null : change(...ends(one)));
    section("compare", "First and last run", table([
      { title: "case", text: (one) => one.name, sort: (one) => one.name },
      { title: "network", text: (one) => one.network, sort: (one) => one.network },
      { title: "machine", text: (one) => one.machine, sort: (one) => one.machine },
      number("cycles at first", (one) => ends(one)[0]), number("now", (one) => ends(one)[1]),
      { title: "change", numeric: true, sort: by,
        text: (one) => (by(one) === null ? "–" : tint(cycles(one), by(one))) },
      number("steps", (one) => one.steps.length)], cases, (one) => openCase(one.index)));
  }

  // --- one case

  function stepDetails(one, step) {
    const layers = step.layers;
    const value = (number) => (number === null ? "–" : thousands(number));
    return [
      element("h3", {}, `${step.kind} at ${runText(step.run)}, after ${runText(step.previous)}`),
      element("ul", {},
        step.figures.map((moved) => element("li", {}, movedText(one, moved))),
        step.verdict ? element("li", {}, `golden model: ${step.verdict}`) : [],
        step.causes.map(({ text }) => element("li", {}, element("strong", {}, text)))),
      layers.length === 0 ? [] : table([
        { title: "layer", text: (layer) => layer.name, sort: (layer) => layer.name },
        { title: "before", hint: "cycles", numeric: true, text: (layer) => value(layer.before),
          sort: (layer) => layer.before },
        { title: "after", hint: "cycles", numeric: true, text: (layer) => value(layer.after),
          sort: (layer) => layer.after },
        { title: "change", numeric: true,
          text: (layer) => (layer.before === null ? "new" : layer.after === null ? "gone"
            : tint({ better: "lower" }, change(layer.before, layer.after))),
          sort: (layer) => (layer.before === null || layer.after === null ? null
            : layer.after - layer.before) },
        { title: "where", hint: "cycles by cause", text: (layer) => layer.where || "–",
          sort: (layer) => layer.where },
        { title: "cause", text: (layer) => causesText(layer) || "–", sort: causesText }],
        layers, () => {}, 200)].flat();
  }

  function openCase(index) {
    const one = cases[index];
    const lines = element("figure", { class: "whole", "aria-label": `history of ${one.name}` });
    const wall = element("figure", { class: "whole", "aria-label": "simulator's wall time" });
    const timed = known(one.wall.seconds).length > 0;
    const values = known(figureOf(one)?.values ?? []);
    openDetail(`case-${index}`, one.name, [
      element("p", { class: "muted" }, `${one.network} on ${one.machine}`),
      ...(values.length > 0 ? [element("h3", {}, names[shownFigure]), lines] : []),
      ...(one.steps.length === 0
        ? [element("p", { class: "muted" }, "No figure has moved in these runs.")]
        : [...one.steps].reverse().flatMap((step) => stepDetails(one, step))),
      ...(timed ? [element("h3", {}, "wall time of the simulator"), wall] : []),
      element("h3", {}, "figures of the last run"),
      page.facts(one.figures.filter((shown) => known(shown.values).length > 0).map((shown) => {
        const list = known(shown.values);
        return [shown.name, `${figure(list[list.length - 1])} ${shown.unit}`];
      }))],
      (by) => openCase((index + by + cases.length) % cases.length));
    if (values.length > 0) chart(lines, caseSpec(one, 180));
    if (timed) chart(wall, wallSpec(one.wall));
  }

  heads();
  if (cases.length > 0) {
    charts();
    steps();
    comparison();
  }
  page.openByAddress("case", cases.length, openCase);
})();
