// The page of `workbench search-bits`: its data are those of --json (docs/report-json.md).
"use strict";
(() => {
  const { data, main, element, section, format, chart, table, tile, openDetail } = page;
  const { figure, count, percent } = format;
  const points = data.points.map((point, index) => ({ ...point, index }));
  const scored = points.some((point) => point.top1 !== null);
  const trained = points.filter((point) => point.trained !== null);
  const kinds = ["searched", "uniform", "memory rule", ...(trained.length > 0 ? ["trained"] : [])];
  const colours = ["var(--second)", "var(--first)", "var(--muted)", "var(--ink)"];
  const exact = (point) => point.bit_exact && (point.trained === null || point.trained.bit_exact);
  const decibels = (value) => `${value.toFixed(1)} dB`;
  const objective = data.objective + (data.unit && data.unit !== data.objective ? ` (${data.unit})` : "");

  const beaten = (id, by, left) => [tile(id, `uniform choices, by ${by}`,
    left.length === 0 ? "all matched" : `${left.length} not matched`,
    left.length === 0 ? "each by a searched point that costs no more" : left.join(", "))];

  main.append(
    element("h1", {}, `Widths of codes of ${data.network}`),
    element("p", { class: "muted" }, `${data.machine}, scheme ${data.scheme} · measured on ` +
      `${count(data.calibration_images, "image")}` + (data.scored_images > 0
        ? ` · scored on ${count(data.scored_images, "image")} of ${data.images}, float ` +
          percent(data.float_top1) : "")),
    ...data.warnings.map((text) => element("p", { class: "warning" }, `Warning: ${text}`)),
    ...data.notes.map((text) => element("p", { class: "muted" }, text)));

  section("search", "The search", element("div", { class: "tiles" },
    tile("front_size", "best choices by the sums", figure(data.front_size),
      data.gap_db === 0 ? "all there are" : `at most ${data.gap_db.toFixed(3)} dB from the best`),
    tile("programs", "programs to learn costs", figure(data.programs),
      `${data.refused_programs} refused, ${data.unknown_combinations} combinations unknown`),
    tile("candidates", "choices compiled", figure(data.candidates),
      `sums are off by at most ${percent(data.sums_off)}`),
    ...beaten("uniform", "signal to noise", data.undominated_uniform),
    ...(scored ? beaten("uniform_top1", "top-1", data.undominated_uniform_top1) : []),
    tile("golden", "golden model", points.every(exact) ? "bit-exact"
      : "DIFFERS", count(points.length + trained.length, "network"))));

  // --- accuracy against the objective

  function scatter(of, title) {
    const rows = points.map((point) => ({ index: point.index, x: point.objective, y: of(point),
      kind: point.kind, front: point.on_front, name: point.name }));
    rows.push(...trained.map((point) => ({ index: point.index, x: point.objective,
      y: of(point.trained), kind: "trained", front: false, name: `${point.name}, trained` })));
    const range = (values) => {
      const low = Math.min(...values), high = Math.max(...values);
      const room = 0.08 * (high - low) || Math.abs(high) * 0.05 || 1;
      return [low - room, high + room];
    };
    const at = (field) => ({ scale: field, field });
    const axis = (scale, orient, text) => ({ scale, orient, title: text, grid: true,
      gridOpacity: 0.5, tickCount: 6, labelOverlap: true });
    return {
      height: 360,
      data: [{ name: "points", values: rows }],
      scales: [
        { name: "x", type: "linear", range: "width", zero: false,
          domain: range(rows.map((row) => row.x)) },
        { name: "y", type: "linear", range: "height", zero: false,
          domain: range(rows.map((row) => row.y)) },
        { name: "kind", type: "ordinal", domain: kinds, range: colours }],
      axes: [{ ...axis("x", "bottom", objective), format: "~s" }, axis("y", "left", title)],
      legends: [{ fill: "kind", orient: "top" }],
      marks: [{ type: "symbol", name: "point_symbols", from: { data: "points" }, encode: { update: {
        x: at("x"), y: at("y"), fill: { scale: "kind", field: "kind" },
        size: { signal: "datum.front ? 130 : 60" }, tooltip: { field: "name" },
        stroke: { signal: "datum.front ? 'var(--ink)' : null" },
        cursor: { value: "pointer" } } } },
      { type: "text", interactive: false, from: { data: "points" }, encode: { update: {
        x: at("x"), y: at("y"), dy: { value: -9 }, align: { value: "center" },
        fill: { value: "var(--muted)" },
        text: { signal: "datum.kind === 'uniform' ? slice(datum.name, 8) : ''" } } } }],
    };
  }

  function show(id, title, of, axis) {
    const place = element("figure", { class: "whole", id: `${id}_chart` });
    section(id, title, place, element("p", { class: "muted" },
      "Framed: on the front of all points. A click shows its recipe, its figures and its run."));
    chart(place, scatter(of, axis), { onClick: (datum) => detail(points[datum.index]) });
  }
  if (scored) {
    show("accuracy", "Accuracy against cost", (point) => 100 * point.top1, "top-1 (%)");
  }
  show("front", "Signal to noise against cost", (point) => point.signal_to_noise_db,
    "signal to noise of the results (dB)");

  function detail(point) {
    openDetail(`point${point.index}`, point.name, [
      ...(point.run_page === "" ? [] : [element("p", {},
        element("a", { href: encodeURI(point.run_page) }, "Page of its run"))]),
      element("p", {}, "Save as recipe.yaml, then: workbench run --hw ... --scheme recipe.yaml"),
      element("pre", {}, point.recipe),
      table([{ title: "figure", text: (row) => row[0], sort: (row) => row[0] },
             { title: "value", numeric: true, text: (row) => figure(row[1]),
               sort: (row) => row[1] }], Object.entries(point.metrics))]);
  }

  // --- points

  const columns = [
    { title: "point", text: (row) => row.name, sort: (row) => row.index },
    { title: "front", text: (row) => (row.on_front ? "yes" : ""),
      sort: (row) => Number(row.on_front) },
    { title: objective, numeric: true, text: (row) => figure(row.objective),
      sort: (row) => row.objective },
    { title: "predicted", numeric: true, text: (row) => figure(row.predicted_objective),
      sort: (row) => row.predicted_objective },
    { title: "signal to noise", numeric: true, text: (row) => decibels(row.signal_to_noise_db),
      sort: (row) => row.signal_to_noise_db },
    { title: "predicted", numeric: true, text: (row) => decibels(row.predicted_db),
      sort: (row) => row.predicted_db },
    { title: "weight bytes", numeric: true, text: (row) => figure(row.weight_bytes),
      sort: (row) => row.weight_bytes },
    ...(scored ? [{ title: "top-1", numeric: true, text: (row) => percent(row.top1),
                    sort: (row) => row.top1 }] : []),
    ...(trained.length > 0 ? [{ title: "trained", numeric: true,
      text: (row) => (row.trained === null ? "" : percent(row.trained.top1)),
      sort: (row) => row.trained?.top1 ?? -1 }] : []),
    { title: "golden", text: (row) => (exact(row) ? "bit-exact" : "DIFFERS"),
      sort: (row) => Number(exact(row)) }];
  section("points", "Points", table(columns, points, detail));

  // --- bits per layer

  function strips(of) {
    const which = data.variables.map((variable, index) => ({ ...variable, index }))
      .filter((variable) => variable.of === of);
    const rows = points.flatMap((point) => which.map((variable, place) => ({ index: point.index,
      name: point.name, layer: variable.layer, place, bits: point.bits[variable.index] })));
    return {
      height: 22 * points.length,
      data: [{ name: "cells", values: rows }],
      scales: [
        { name: "x", type: "band", range: "width", domain: which.map((_, place) => place),
          paddingInner: 0.08 },
        { name: "y", type: "band", range: "height", domain: points.map((point) => point.name),
          paddingInner: 0.15 },
        { name: "bits", type: "ordinal", domain: data.choices,
          range: ["var(--first)", "var(--second)", "var(--muted)"] }],
      axes: [{ scale: "y", orient: "left", ticks: false, domain: false }],
      legends: [{ fill: "bits", orient: "top" }],
      marks: [{ type: "rect", from: { data: "cells" }, encode: { update: {
        x: { scale: "x", field: "place" }, width: { scale: "x", band: 1 },
        y: { scale: "y", field: "name" }, height: { scale: "y", band: 1 },
        fill: { scale: "bits", field: "bits" }, cursor: { value: "pointer" },
        tooltip: { signal: "datum.layer + ': ' + datum.bits + ' bits'" } } } }],
    };
  }
  for (const [of, title] of [["weights", "Bits of the weights"], ["result", "Bits of the results"]]) {
    if (!data.variables.some((variable) => variable.of === of)) continue;
    const place = element("figure", { class: "whole", id: `${of}_strip` });
    section(`${of}_bits`, `${title}, layer by layer`, place);
    chart(place, strips(of), { onClick: (datum) => detail(points[datum.index]) });
  }

  // --- sensitivity

  section("sensitivity", "One width narrower", element("p", { class: "muted" },
    "Signal to noise of the results with this width alone narrower, all others at 8 bits."),
    table([
      { title: "layer", text: (row) => row.layer, sort: (row) => row.layer },
      { title: "width of", text: (row) => row.of, sort: (row) => row.of },
      { title: "values", numeric: true, text: (row) => figure(row.elements),
        sort: (row) => row.elements },
      ...data.choices.slice(1).map((bits, i) => ({ title: `${bits} bits`, numeric: true,
        text: (row) => decibels(row.signal_to_noise_db[i + 1]),
        sort: (row) => row.signal_to_noise_db[i + 1] }))], data.variables));
})();
