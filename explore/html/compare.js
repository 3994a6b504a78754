// The page of `workbench compare --html`: its data are those of --json (docs/commands.md): {runs:
// [{name, machine, network, verdict, microseconds_per_cycle, figures, waterfall, differences}],
// layers: [{name, cycles: [a run's, or null]}]}.
"use strict";
(() => {
  const { data, main, element, section, format, chart, choice, table, tile } = page;
  const { runs } = data;
  const letter = (index) => String.fromCharCode(65 + index);
  const time = (cycles, run) => cycles * runs[run].microseconds_per_cycle;
  const ratio = (value, first) => (first ? `${format.significant(value / first, 3)} × A` : "");

  main.append(
    element("h1", {}, "Runs side by side"),
    element("ol", { type: "A" }, runs.map((run) => element("li", {}, `${run.name}: ${run.verdict}`))));

  section("totals", "Latency of an image", element("div", { class: "tiles" },
    runs.map((run, index) => tile(`run${index}`, `${letter(index)}: ${run.machine}`,
      `${format.significant(run.figures.latency_ms ?? 0)} ms`,
      index === 0 ? "" : ratio(run.figures.latency_ms, runs[0].figures.latency_ms)))));

  // A bar per run: its cycles' time, by what they went to.
  const steps = Object.keys(runs[0].waterfall);
  const words = (key) => key.replaceAll("_", " ");
  const colour = (key) => `var(--cause${steps.indexOf(key)})`;
  const parts = runs.flatMap((run, index) => steps.map((key) => ({
    run: letter(index), step: words(key), colour: colour(key),
    time: time(run.waterfall[key], index) / 1e3,
    share: run.waterfall[key] / Math.max(run.figures.cycles ?? 1, 1) })));
  const place = element("figure", { class: "whole", "aria-label": "where the time went" });
  const some = steps.filter((key) => runs.some((run) => run.waterfall[key] > 0));
  const draw = (field) => chart(place, {
    height: 44 * runs.length,
    data: [{ name: "parts", values: parts, transform: [
      { type: "stack", groupby: ["run"], field }] }],
    scales: [
      { name: "x", type: "linear", range: "width", nice: field === "time",
        domain: { data: "parts", field: "y1" } },
      { name: "y", type: "band", range: "height", padding: 0.25,
        domain: { data: "parts", field: "run" } }],
    axes: [{ scale: "x", orient: "bottom", grid: true, tickCount: 8,
             ...(field === "time" ? { title: "ms" } : { title: "share of the run", format: ".0%" }) },
           { scale: "y", orient: "left", ticks: false, domain: false }],
    marks: [{ type: "rect", name: "parts_of_runs", from: { data: "parts" }, encode: { update: {
      x: { scale: "x", field: "y0" }, x2: { scale: "x", field: "y1" },
      y: { scale: "y", field: "run" }, height: { scale: "y", band: 1 },
      fill: { field: "colour" },
      tooltip: { signal: "datum.run + ', ' + datum.step + ': ' + format(datum.time, '.4~g') + " +
        "' ms, ' + format(datum.share, '.1%')" },
    } } }],
  });
  section("waterfall", "Where the time went",
          element("div", { class: "tools" },
                  choice({ share: () => draw("share"), time: () => draw("time") })),
          page.legend(some.map((key) => [words(key), colour(key)])), place);
  draw("share");

  const columns = (cell) => runs.map((run, index) => ({
    title: letter(index), numeric: true,
    text: (row) => cell(row, index).text, sort: (row) => cell(row, index).value }));
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.figures)))];
  section("figures", "Figures", table([
    { title: "figure", text: (name) => name, sort: (name) => name },
    ...columns((name, index) => {
      const value = runs[index].figures[name];
      return { value: value ?? -1, text: value === undefined ? "–" : format.figure(value) };
    })], names, () => {}));

  section("layers", "Layers, in microseconds", table([
    { title: "layer", text: (row) => row.name, sort: (row) => row.name },
    ...columns((row, index) => {
      const cycles = row.cycles[index];
      return { value: cycles ?? -1,
               text: cycles === null ? "–" : format.significant(time(cycles, index)) };
    })], data.layers, () => {}));

  section("differences", "What differs from A", runs.slice(1).map((run, index) => [
    element("h3", {}, `${letter(index + 1)}: ${run.name}`),
    element("ul", {}, run.differences.map((line) => element("li", {}, line)))]));
})();
