// The page of `workbench accuracy`: its data are those of --json (docs/report-json.md).
"use strict";
(() => {
  const { data, main, element, section, format, chart, table, tile, openDetail } = page;
  const { percent, thousands, significant } = format;
  const layers = data.layers.map((layer, index) => ({ ...layer, index }));
  const hardwareBits = data.accumulator_bits;

  const decibels = (value) => (value === null ? "exact" : value.toFixed(1));
  const decibelsWithUnit = (value) => (value === null ? "exact" : `${value.toFixed(1)} dB`);
  const ratio = (value) => (value === 0 ? "–" : value.toFixed(1));
  const interval = ([low, high]) => `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
  const codes = (layer) => layer.format || "–";  // a result of float has none
  const clipped = ({ clipped: share }) =>
    share === 0 ? "–" : share < 0.00005 ? "< 0.01 %" : percent(share, 2);
  const overflows = (layer) => hardwareBits > 0 && layer.accumulator_bits_used > hardwareBits;

  function constant(layer) {
    if (layer.dead) return "dead";
    return layer.constant_channels === 0 ? "–" : `${layer.constant_channels}/${layer.channels}`;
  }

  function accumulator(layer) {
    if (layer.accumulator_bits_used === 0) return "–";
    const bits = layer.accumulator_bits_used + (hardwareBits ? `/${hardwareBits}` : "");
    return overflows(layer) ? element("span", { class: "warning" }, `${bits} !`) : bits;
  }

  // --- top of the page

  function heads() {
    const target = data.machine ? `${data.target} (${data.machine})` : data.target;
    const calibrated = data.calibration_images > 0
      ? `; calibrated with ${thousands(data.calibration_images)}` : "";
    main.append(
      element("h1", {}, `Accuracy of ${data.network}`),
      element("p", { class: "muted" }, `scheme ${data.scheme}, target ${target} · ` +
        `${data.image_set}: ${thousands(data.images)} scored, ` +
        `${thousands(data.classes)} classes${calibrated}`),
      ...data.warnings.map((text) => element("p", { class: "warning" }, `Warning: ${text}`)));
  }

  function scoreTile(key, title) {
    return tile(key, `${title}, integer`, percent(data.int8[key]),
      `${interval(data.int8[`${key}_interval`])}; float ${percent(data.float[key])} ` +
      `(${interval(data.float[`${key}_interval`])})`);
  }

  function verdictTile() {
    const { images, values, mismatches, hazards } = data.golden;
    if (images === 0) return tile("golden", "golden model", "not compared", "");
    const same = mismatches === 0;
    const figure = element("span", { class: same && hazards === 0 ? undefined : "warning" },
      same ? "bit-exact" : `${thousands(mismatches)} different`);
    return tile("golden", "golden model", figure,
      `${format.count(values, "value")} of ${format.count(images, "image")}` +
      (hazards > 0 ? `; ${format.count(hazards, "hazard")}` : ""));
  }

  function scores() {
    const { top1, interval: range, p_value, only_float, only_int8 } = data.difference;
    const [low, high] = range.map((value) => format.signed(100 * value));
    const chartPlace = element("figure", { class: "whole", id: "scores_chart" });
    section("scores", "Float and integer network", element("div", { class: "tiles" },
      scoreTile("top1", "top-1"), scoreTile("top5", "top-5"),
      tile("difference", "difference of top-1", `${format.signed(100 * top1)} points`,
        `${low} to ${high} (paired)`,
        `${format.count(only_float, "image")} right only in float, ${thousands(only_int8)} only ` +
        `in integers; as uneven by chance with p = ${significant(p_value, 2)}`),
      tile("agreement", "agreement", percent(data.agreement),
        `${interval(data.agreement_interval)}: the best class is the same`),
      verdictTile()),
      chartPlace,
      element("p", { class: "muted" }, "Ranges are 95 % intervals over these images: Wilson's of " +
        "each score, and of the difference a paired one."));
    chart(chartPlace, scoresSpec());
  }

  function scoresSpec() {
    const row = (label, network, value, [low, high]) => ({ label, network, value, low, high });
    const rows = ["top1", "top5"].flatMap((key) => ["float", "int8"].map((network) => row(
      `${key === "top1" ? "top-1" : "top-5"} ${network === "float" ? "float" : "integer"}`, network,
      data[network][key], data[network][`${key}_interval`])));
    rows.push(row("agreement", "int8", data.agreement, data.agreement_interval));
    const colour = { scale: "colour", field: "network" };
    const y = { scale: "y", field: "label", band: 0.5 };
    return {
      height: 26 * rows.length,
      data: [{ name: "rows", values: rows }],
      scales: [
        { name: "x", type: "linear", range: "width", nice: true, zero: false,
          domain: { data: "rows", fields: ["low", "high"] } },
        { name: "y", type: "band", range: "height", domain: { data: "rows", field: "label" } },
        { name: "colour", type: "ordinal", domain: ["float", "int8"],
          range: ["var(--muted)", "var(--first)"] }],
      axes: [{ scale: "x", orient: "bottom", format: ".0%", grid: true, tickCount: 6 },
             { scale: "y", orient: "left", ticks: false, domain: false }],
      marks: [
        { type: "rule", from: { data: "rows" }, encode: { update: {
          x: { scale: "x", field: "low" }, x2: { scale: "x", field: "high" }, y,
          stroke: colour, strokeWidth: { value: 3 }, strokeOpacity: { value: 0.5 } } } },
        { type: "symbol", from: { data: "rows" }, encode: { update: {
          x: { scale: "x", field: "value" }, y, fill: colour, size: { value: 90 },
          tooltip: { signal: "datum.label + ': ' + format(datum.value, '.1%')" } } } }],
    };
  }

  // --- one layer

  // At most `bins` bars: neighbours are added up.
  function bars({ max, counts }, bins) {
    const group = Math.ceil(counts.length / bins);
    const width = max / counts.length;
    const rows = [];
    for (let i = 0; i < counts.length; i += group) {
      const end = Math.min(i + group, counts.length);
      const count = counts.slice(i, end).reduce((sum, one) => sum + one, 0);
      if (count > 0) rows.push({ from: i * width, to: end * width, count });
    }
    return rows;
  }

  function histogramSpec(layer, height) {
    const { histogram, threshold } = layer;
    const end = Math.max(histogram.max, threshold);
    const rows = bars(histogram, 120);
    const most = Math.max(...rows.map((row) => row.count));
    const powers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((power) => 10 ** power)
      .filter((power) => power <= most);
    const x = { scale: "x", value: threshold };
    const colour = [{ test: `${threshold} > 0 && datum.from >= ${threshold}`,
                      value: "var(--second)" }, { value: "var(--first)" }];
    const left = threshold > 0.6 * end;  // the side of the line that has room for its label
    return {
      height,
      data: [{ name: "bars", values: rows }],
      scales: [
        { name: "x", type: "linear", range: "width", domain: [0, end * 1.02] },
        // Counts from one up; half a value is where bars stand.
        { name: "y", type: "log", range: "height", domain: [0.5, most * 4] }],
      axes: [{ scale: "x", orient: "bottom", title: "|x|", tickCount: 6 },
             { scale: "y", orient: "left", title: "values", grid: true, format: "~s",
               values: powers.length > 6 ? powers.filter((_, i) => i % 2 === 0) : powers }],
      marks: [
        { type: "rect", from: { data: "bars" }, encode: { update: {
          x: { scale: "x", field: "from" }, x2: { scale: "x", field: "to" },
          y: { scale: "y", field: "count" }, y2: { scale: "y", value: 0.5 },
          fill: colour, stroke: colour, strokeWidth: { value: 0.5 },  // no seams between bars
          tooltip: { signal: "format(datum.from, '.4~g') + ' to ' + format(datum.to, '.4~g')" +
                             " + ': ' + format(datum.count, ',')" } } } },
        ...(threshold > 0 ? [
          { type: "rule", name: "threshold", encode: { update: {
            x, y: { value: 0 }, y2: { signal: "height" }, stroke: { value: "var(--second)" },
            strokeWidth: { value: 2 } } } },
          { type: "text", encode: { update: {
            x: { ...x, offset: left ? -5 : 5 }, y: { value: 9 },
            align: { value: left ? "right" : "left" }, fill: { value: "var(--second)" },
            text: { value: `threshold ${significant(threshold)}` } } } }] : [])],
    };
  }

  // Charts are drawn once they are in the page, when their width is known.
  function histogram(layer, height) {
    if (layer.histogram.counts.length === 0 || !layer.histogram.counts.some((count) => count > 0)) {
      return element("p", { class: "muted" }, "No histogram of this layer.");
    }
    const place = element("figure", { class: "whole histogram",
                                      "aria-label": `|x| of ${layer.name}` });
    requestAnimationFrame(() => chart(place, histogramSpec(layer, height)));
    return place;
  }

  function advice(layer) {
    return element("ul", { class: "advice" }, layer.advice.map(({ cause, remedy }) =>
      element("li", {}, `${cause}: `, element("strong", {}, `try ${remedy}`))));
  }

  function facts(layer) {
    const bits = layer.accumulator_bits_used === 0 ? "–"
      : `${layer.accumulator_bits_used} used` +
        (layer.accumulator_bits_bound ? `, ${layer.accumulator_bits_bound} at most` : "") +
        (hardwareBits ? `, of ${hardwareBits}` : "");
    const pairs = [
      ["operation", layer.op], ["codes", codes(layer)],
      ["SQNR", decibelsWithUnit(layer.sqnr_db)],
      ["of its own", decibelsWithUnit(layer.own_sqnr_db)],
      ["inherited", decibelsWithUnit(layer.inherited_sqnr_db)], ["clipped", clipped(layer)],
      ["weights, largest channel / median", ratio(layer.weight_range_ratio)],
      ["activations, largest channel / median", ratio(layer.activation_range_ratio)],
      ["constant channels", constant(layer) +
        (layer.prunable_channels > 0 ? `, ${layer.prunable_channels} with weights` : "")],
      ["accumulator bits", bits],
      ["of its noise, by rounding to its codes",
       layer.own_sqnr_db === null ? "–" : percent(layer.rounding_share, 0)],
      ["MACs", layer.macs ? thousands(layer.macs) : "–"],
      ["weight scales", layer.macs ? (layer.weights_per_channel ? "per channel" : "per tensor")
                                   : "–"],
      ["values compared", thousands(layer.values)], ["result", layer.value]];
    return page.facts(pairs);
  }

  function openLayer(index) {
    const layer = layers[index];
    const step = (by) => openLayer((index + by + layers.length) % layers.length);
    openDetail(`layer-${index}`, layer.name, [histogram(layer, 240),
      element("p", { class: "muted" }, "|x| in the float network over the calibration images; " +
        "what lies beyond the threshold is clipped."),
      advice(layer), facts(layer)], step);
  }

  // --- all layers

  // Least signal over noise of its own first. The JSON names them; names need not be unique.
  function byCost() {
    const key = (layer) => layer.own_sqnr_db ?? Infinity;
    const named = new Map(data.by_cost.map((name, rank) => [name, rank]));
    return layers.filter((layer) => named.has(layer.name)).sort((a, b) =>
      key(a) === key(b) ? named.get(a.name) - named.get(b.name) : key(a) - key(b));
  }

  function costly() {
    const worst = byCost().slice(0, 6);
    section("costly", "Layers that add most noise, and what to try",
      element("div", { class: "cards" }, worst.map((layer) => element("article",
        { class: "card", onclick: () => openLayer(layer.index) },
        element("h3", {}, element("button", { type: "button" }, layer.name)),
        element("p", { class: "muted" }, `${decibelsWithUnit(layer.own_sqnr_db)} of its own; ` +
          `${layer.op}, ${layer.format || "float result"}`),
        histogram(layer, 110), advice(layer)))));
  }

  // `shown`: the layers of this chart; any of them can be shown, for the signal `order`.
  function noiseSpec(shown) {
    const finite = layers.flatMap((layer) => [layer.own_sqnr_db, layer.sqnr_db])
      .filter((value) => value !== null);
    const most = Math.max(10, ...finite) * 1.04;
    const rows = layers.map((layer) => ({
      index: layer.index, name: layer.name, own: layer.own_sqnr_db ?? most, total: layer.sqnr_db,
      exact: layer.own_sqnr_db === null,
      note: `${layer.name}: ${decibelsWithUnit(layer.own_sqnr_db)} of its own, ` +
            `${decibelsWithUnit(layer.sqnr_db)} in all` }));
    const y = { scale: "y", field: "index" };
    const tooltip = { field: "note" };
    const cursor = { value: "pointer" };
    return {
      height: 19 * shown.length,
      signals: [{ name: "order", value: shown.map((layer) => layer.index) },
                { name: "names", value: rows.map((row) => row.name) }],
      data: [{ name: "layers", values: rows, transform: [
               { type: "filter", expr: "indexof(order, datum.index) >= 0" }] },
             { name: "noisy", source: "layers",
               transform: [{ type: "filter", expr: "datum.total !== null" }] }],
      scales: [
        { name: "x", type: "linear", range: "width", domain: [Math.min(0, ...finite), most] },
        { name: "y", type: "band", range: "height", paddingInner: 0.3, paddingOuter: 0.15,
          domain: { signal: "order" } }],
      axes: [
        { scale: "x", orient: "top", title: "SQNR in dB: longer is better", grid: true,
          tickCount: 8 },
        { scale: "y", orient: "left", ticks: false, domain: false,
          labelLimit: { signal: "min(260, 0.38 * available)" },
          encode: { labels: { interactive: true, update: {
            text: { signal: "names[datum.value]" }, cursor } } } }],
      marks: [
        { type: "rect", from: { data: "layers" }, encode: { update: {  // the whole row can be hit
          x: { value: 0 }, x2: { signal: "width" }, y, height: { scale: "y", band: 1 },
          fill: { value: "transparent" }, tooltip, cursor },
          hover: { fill: { value: "var(--raised)" } } } },
        { type: "rect", name: "own", from: { data: "layers" }, encode: { update: {
          x: { scale: "x", value: 0 }, x2: { scale: "x", field: "own" }, y,
          height: { scale: "y", band: 1 }, fill: { value: "var(--first)" },
          fillOpacity: { signal: "datum.exact ? 0.25 : 0.85" }, tooltip, cursor } } },
        { type: "symbol", from: { data: "noisy" }, encode: { update: {
          x: { scale: "x", field: "total" }, y: { ...y, band: 0.5 },
          fill: { value: "var(--second)" }, stroke: { value: "var(--paper)" },
          size: { value: 60 }, tooltip, cursor } } }],
    };
  }

  // A chart for every 40 layers: no more than a sheet of paper holds.
  function noise() {
    const worst = [...layers].sort((a, b) =>
      (a.own_sqnr_db ?? Infinity) - (b.own_sqnr_db ?? Infinity));
    const views = [];
    const parts = (order) => Array.from({ length: Math.ceil(order.length / 40) }, (_, i) =>
      order.slice(40 * i, 40 * i + 40));
    const show = (order) => parts(order).forEach((part, i) =>
      views[i].signal("order", part.map((layer) => layer.index)).run());
    const places = parts(layers).map(() => element("figure", { class: "whole noise" }));
    section("noise", "Signal over noise, layer by layer",
      page.choice({ "network order": () => show(layers), "most noise first": () => show(worst) }),
      element("p", { class: "muted" }, element("span", { class: "swatch" }),
        "what the layer itself adds, on the operands it got (faint: nothing)",
        element("span", { class: "swatch second" }),
        "all of its result, against the float network. A click opens a layer."),
      places);
    parts(layers).forEach((part, i) => views.push(chart(places[i], noiseSpec(part), {
      onClick: (datum) => openLayer(datum.index ?? datum.value) })));
  }

  function layerTable() {
    const number = (title, hint, text, sort) => ({ title, hint, text, sort, numeric: true });
    const columns = [
      { title: "layer", text: (layer) => layer.name, sort: (layer) => layer.name },
      number("SQNR", "dB, against the float network", (layer) => decibels(layer.sqnr_db),
             (layer) => layer.sqnr_db),
      number("own", "dB: what the layer itself adds, on the operands it got",
             (layer) => decibels(layer.own_sqnr_db), (layer) => layer.own_sqnr_db),
      number("inherited", "dB: what would be left if it were exact",
             (layer) => decibels(layer.inherited_sqnr_db), (layer) => layer.inherited_sqnr_db),
      number("clipped", "values beyond the last code", clipped, (layer) => layer.clipped),
      number("weight ratio", "largest channel over the median one",
             (layer) => ratio(layer.weight_range_ratio), (layer) => layer.weight_range_ratio),
      number("act. ratio", "largest channel over the median one",
             (layer) => ratio(layer.activation_range_ratio),
             (layer) => layer.activation_range_ratio),
      number("constant", "channels that are constant in the float network", constant,
             (layer) => layer.constant_channels),
      number("acc. bits", "used on these images / of the hardware", accumulator,
             (layer) => layer.accumulator_bits_used),
      number("at most", "accumulator bits that any input can ask for",
             (layer) => (layer.accumulator_bits_bound === 0 ? "–" : layer.accumulator_bits_bound),
             (layer) => layer.accumulator_bits_bound),
      { title: "operation", text: (layer) => layer.op, sort: (layer) => layer.op },
      { title: "codes", text: codes, sort: (layer) => layer.format }];
    section("layers", "Layers", table(columns, layers, (layer) => openLayer(layer.index)),
      element("p", { class: "muted" }, "A click on a head sorts, one on a layer opens it."));
  }

  heads();
  scores();
  if (layers.length > 0) {
    costly();
    noise();
    layerTable();
  }
  if (data.notes.length > 0) {
    section("notes", "Notes", element("ul", {}, data.notes.map((note) => element("li", {}, note))));
  }
  page.openByAddress("layer", layers.length, openLayer);
})();
