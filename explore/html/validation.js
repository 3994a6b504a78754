// The page of `workbench validate --html`: its data are those of --json (docs/validation.md):
// {figures: [{name, machine, network, settings, metric, layer, value, calibrates, source, unit,
// modelled, error, reason}], machines: [{machine, calibrating, figures, mean_error, worst,
// worst_error}]}.
"use strict";
(() => {
  const { data, main, element, section, format, chart, table, tile } = page;
  const { figure } = format;
  const figures = data.figures.map((one, index) => ({ ...one, index }));
  const known = figures.filter((one) => one.error !== null);
  const percent = (fraction) => `${format.signed(100 * fraction)} %`;
  const kind = (one) => (one.calibrates ? "calibrated a constant" : "nothing was fitted to it");

  main.append(
    element("h1", {}, "Models against real machines"),
    element("p", { class: "muted subtitle" }, `${format.count(figures.length, "figure")}, ` +
      `${known.length} with an answer of the model`));

  section("machines", "How far off", element("div", { class: "tiles" },
    data.machines.map((one, index) => tile(`machine${index}`, one.machine,
      `${(100 * one.mean_error).toFixed(1)} %`,
      `mean of ${format.count(one.figures, "figure")} that ` +
      `${one.calibrating ? "calibrated a constant" : "nothing was fitted to"}; worst ` +
      `${percent(one.worst_error)}: ${one.worst}`))));

  // A bar per figure, from no error to its own.
  function errorsSpec() {
    const rows = known.map((one) => ({ label: `${one.machine}: ${one.name}`, error: one.error,
                                       kind: kind(one) }));
    const y = { scale: "y", field: "label" };
    return {
      height: 22 * rows.length,
      data: [{ name: "rows", values: rows }],
      scales: [
        { name: "x", type: "linear", range: "width", nice: true, zero: true,
          domain: { data: "rows", field: "error" } },
        { name: "y", type: "band", range: "height", padding: 0.25,
          domain: { data: "rows", field: "label" } },
        { name: "colour", type: "ordinal",
          domain: ["nothing was fitted to it", "calibrated a constant"],
          range: ["var(--first)", "var(--muted)"] }],
      axes: [{ scale: "x", orient: "bottom", format: "+.0%", grid: true, tickCount: 8,
               title: "model against the real figure" },
             { scale: "y", orient: "left", ticks: false, domain: false, labelLimit: 420 }],
      legends: [{ fill: "colour", orient: "top" }],
      marks: [{ type: "rect", from: { data: "rows" }, encode: { update: {
        x: { scale: "x", value: 0 }, x2: { scale: "x", field: "error" }, y,
        height: { scale: "y", band: 1 }, fill: { scale: "colour", field: "kind" },
        tooltip: { signal: "datum.label + ': ' + format(datum.error, '+.1%')" } } } }],
    };
  }
  const place = element("figure", { class: "whole", "aria-label": "errors" });
  section("errors", "Errors", place);
  if (known.length > 0) chart(place, errorsSpec());

  const value = (number) => (number === null ? "–" : figure(number));
  section("figures", "Figures", table([
    { title: "figure", text: (one) => one.name, sort: (one) => one.name },
    { title: "machine", text: (one) => one.machine, sort: (one) => one.machine },
    { title: "real", numeric: true, text: (one) => value(one.value), sort: (one) => one.value },
    { title: "model", numeric: true, text: (one) => value(one.modelled),
      sort: (one) => one.modelled },
    { title: "unit", text: (one) => one.unit, sort: (one) => one.unit },
    { title: "error", numeric: true, text: (one) => (one.error === null ? "–"
        : percent(one.error)), sort: (one) => one.error },
    { title: "calibrates", text: (one) => one.calibrates || "–", sort: (one) => one.calibrates },
    { title: "of", text: (one) => [one.network, one.settings, one.layer].filter((text) => text)
        .join(", "), sort: (one) => one.network },
    { title: "source", text: (one) => one.source, sort: (one) => one.source },
    { title: "why not", text: (one) => one.reason || "–", sort: (one) => one.reason }],
  figures, () => {}));
})();
