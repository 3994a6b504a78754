// The page of `workbench run --html`. page.data: {report: as --json (docs/report-json.md), metrics:
// [{name, unit, total, layer}] and what they mean, steps: [{key, label}] of the waterfall, causes:
// [{label, step}] of the timeline, timeline: {end, array, together_below, lanes: [{name, pieces}]},
// memories: [{name, capacity_bytes, volumes, occupied}], rooflines: [{memory, bytes_per_cycle,
// bytes}], tiles: {heads, rows}, graph: {vertices: [{kind, name, op, layer, engine, bits, reason}],
// edges: [[from, to]]}, instructions: {layers: [[{number, text, fields: [[field, value]]}]], counts,
// meanings}, energy: {technology, millijoules of an image, milliwatts, area_mm2,
// terms: [{name, count, millijoules}], layers}}; an estimate is {low, typical, high}.
"use strict";
(() => {
  const { data, main, element, section, format, chart, choice, table, tile, openDetail } = page;
  const { thousands, percent, significant, bytes } = format;
  const { report, steps, timeline, memories, rooflines, tiles, energy } = data;
  const { machine, network, totals } = report;
  const layers = report.layers.map((layer, index) => ({ ...layer, index }));
  const total = totals.cycles;
  const shapeText = (shape) => (shape.length > 1 && shape[0] === 1 ? shape.slice(1) : shape)
    .join(" × ");
  const nameOf = (index) => layers[index].name;
  const shortNames = page.shortNames([...layers.map(({ name }) => name),
                                      ...data.graph.vertices.map(({ name }) => name)]);
  const shortName = (name) => shortNames.get(name) ?? name;
  layers.forEach((layer) => { layer.short = shortName(layer.name); });
  const look = (cause) => ({ label: data.causes[cause].label,
                             colour: layerCharts.colour(data.causes[cause].step) });
  const meaningOf = Object.fromEntries(data.metrics.map(({ name, layer }) => [name, layer]));
  const cluster = memories.some((memory) => memory.name === "L1");
  const rate = (value) => (cluster ? value.toFixed(2) : thousands(Math.round(value)));
  const tilesOf = new Map(tiles.rows.map((row) => [row.layer, row.cells]));

  // --- top of the page

  function heads() {
    main.append(
      element("h1", {}, `${network.name} on ${machine.name}`),
      element("p", { class: "muted subtitle" }, `${machine.summary} · ` +
        `${format.count(layers.length, "layer")} on the accelerator, ` +
        `${report.host_steps.length} on the host · ${thousands(network.macs)} MACs, ` +
        `${thousands(network.parameters)} parameters` +
        (machine.mode === "throughput" ? " · throughput mode, from image to image" : "")),
      ...report.warnings.map((text) => element("p", { class: "warning" }, `Warning: ${text}`)));
  }

  function verdictTile() {
    const { bit_exact: exact, values_compared: values, mismatches, hazards } = report.verdict;
    if (exact === null) return tile("verdict", "golden model", "not compared", "");
    const good = exact && hazards === 0;
    return tile("verdict", "golden model",
      element("span", { class: good ? "good" : "warning" },
        exact ? "bit-exact" : `${thousands(mismatches)} different`),
      `of ${format.count(values, "value")}` +
        (hazards > 0 ? `; ${format.count(hazards, "hazard")}` : ""));
  }

  const spread = ({ low, typical, high }, unit) => ({ figure: `${significant(typical, 3)} ${unit}`,
    range: `${significant(low, 2)} to ${significant(high, 2)}` });

  function energyTiles() {
    const image = spread(energy.millijoules, "mJ"), area = spread(energy.area_mm2, "mm²");
    const watts = energy.milliwatts >= 1000;
    return [
      tile("energy_image", "energy of an image, estimate", image.figure,
           `${image.range}, in ${energy.technology}`),
      tile("power", "power on average, estimate",
           `${significant(watts ? energy.milliwatts / 1000 : energy.milliwatts, 3)} ` +
             (watts ? "W" : "mW"), totals.engines > 1 ? "of one engine" : ""),
      tile("area", "area, estimate", area.figure, area.range)];
  }

  function figures() {
    const { peak_bytes: peak, capacity_bytes: capacity } = report.memory;
    const card = totals.engines > 1
      ? `card of ${totals.engines}: ${significant(totals.images_per_second)} images/s` : "";
    const noise = report.accuracy.signal_to_noise;
    const last = noise.length > 0 ? noise[noise.length - 1].decibel : null;
    section("totals", "Totals", element("div", { class: "tiles" },
      tile("latency", "latency of an image", `${significant(totals.latency_ms)} ms`,
           `${thousands(total)} cycles at ${significant(machine.report_clock_mhz)} MHz` +
             (cluster && totals.host_ms > 0 ? ` and ${significant(totals.host_ms)} ms of the host`
                                            : "")),
      tile("pace", "images per second", significant(totals.engine_images_per_second), card),
      tile("efficiency", "MACs per cycle", rate(totals.mac_per_cycle),
           `${percent(totals.array_efficiency)} of the peak ${rate(machine.peak_mac_per_cycle)}`),
      tile("traffic", cluster ? "moved between memories" : "moved to and from DDR",
           bytes(totals.external_bytes),
           total > 0 ? `${significant(totals.external_bytes / total, 3)} bytes a cycle` : ""),
      tile("memory", cluster ? "most of L2 at one time" : "most of the AM at one time",
           bytes(peak), `${percent(peak / capacity)} of ${bytes(capacity)}`),
      verdictTile(), ...energyTiles()),
      noise.length > 0 && last !== null
        ? element("p", { class: "muted" }, `Integers against float: ${last.toFixed(1)} dB signal ` +
            `over noise at the end (${noise[noise.length - 1].name}).`) : []);
  }

  // --- charts

  const openIndex = (datum) => openLayer(datum.index ?? datum.value);

  function whereCyclesWent() {
    const none = steps.filter(({ key }) => report.waterfall[key] === 0).map(({ label }) => label);
    const place = element("figure", { class: "whole", "aria-label": "where the cycles went" });
    section("waterfall", "Where the cycles went", place, none.length === 0 ? []
      : element("p", { class: "muted" }, `None: ${none.join(", ")}.`));
    chart(place, layerCharts.waterfall(report.waterfall, steps, total));
  }

  function roofs() {
    const places = rooflines.map((roof, i) => element("figure", { class: "whole",
      hidden: i > 0 ? "" : undefined, "aria-label": `roofline of ${roof.memory}` }));
    const show = (shown) => places.forEach((place, i) => { place.hidden = i !== shown; });
    section("roofline", "Roofline",
      rooflines.length > 1 ? choice(Object.fromEntries(rooflines.map((roof, i) => [
        `${roof.memory}, ${significant(roof.bytes_per_cycle, 3)} B/cycle`, () => show(i)]))) : [],
      element("p", { class: "muted" }, "Every layer is a circle as large as its cycles, in the " +
        "colour of what takes most of it beside the ideal. One above the slope had data brought " +
        "while others ran. A click opens it."),
      places, layerCharts.legend(steps.map((step, i) => (i === 0 ? { ...step, label:
        "nothing but the ideal" } : step))));
    places.forEach((place, i) => chart(place, layerCharts.roofline(layers, steps, rooflines[i],
      machine.peak_mac_per_cycle, machine.images_per_run), { onClick: openIndex }));
  }

  // A chart for every 40 layers: no more than a sheet of paper holds.
  function layerBars() {
    const slowest = [...layers].sort((a, b) => b.cycles - a.cycles);
    const parts = (order) => Array.from({ length: Math.ceil(order.length / 40) }, (_, i) =>
      order.slice(40 * i, 40 * i + 40));
    const views = [];
    const signal = (name, valueOf) => views.forEach((view, i) =>
      view.signal(name, valueOf(i)).run());
    const order = (wanted) => signal("order", (i) => parts(wanted)[i].map((one) => one.index));
    const places = parts(layers).map(() => element("figure", { class: "whole bars" }));
    section("bars", "Cycles of each layer",
      element("div", { class: "tools" },
        choice({ "network order": () => order(layers), "slowest first": () => order(slowest) }),
        choice({ cycles: () => signal("mode", () => "cycles"),
                 share: () => signal("mode", () => "share") })),
      layerCharts.legend(steps), places);
    parts(layers).forEach((part, i) => views.push(chart(places[i],
      layerCharts.bars(layers, steps, part), { onClick: openIndex })));
  }

  // --- the network

  // One colour for each text, in the order in which they come.
  function palette(texts) {
    const known = [...new Set(texts)];
    return { legend: known.map((text, i) => [text, layerCharts.colour(i % 8)]),
             of: (text) => layerCharts.colour(known.indexOf(text) % 8) };
  }

  function networkSection() {
    const drawn = data.graph.vertices.filter(({ layer }) => layer >= 0);
    const cause = ({ layer }) => Math.max(layerCharts.leading(layers[layer], steps), 0);
    const engines = palette(drawn.map(({ engine }) => engine));
    const bits = palette(drawn.map((vertex) => vertex.bits || "no codes"));
    const legend = element("div", {});
    const noteOf = ({ kind, name, op, layer, engine, bits: width, reason }) => (layer >= 0
      ? `${name}: ${op}, ${engine}${width ? `, ${width}` : ""}, ` +
        `${thousands(layers[layer].cycles)} cycles`
      : `${name}${op ? `: ${op}` : ""}${kind === "host" ? `, on the host: ${reason}` : ""}`);
    const node = networkGraph.draw(data.graph, { noteOf, onClick: openLayer,
      nameOf: ({ name }) => shortName(name), colourOf: (vertex) => layerCharts.colour(cause(vertex)) });
    const show = (colourOf, entries) => {
      node.recolour(colourOf);
      legend.replaceChildren(entries);
    };
    const causes = () => show((vertex) => layerCharts.colour(cause(vertex)), layerCharts.legend(
      steps.map((step, i) => (i === 0 ? { ...step, label: "nothing but the ideal" } : step))));
    section("graph", "The network", element("div", { class: "tools" }, choice({
      "what takes most": causes,
      engine: () => show((vertex) => engines.of(vertex.engine), page.legend(engines.legend)),
      "bits (a: activations, w: weights)": () =>
        show((vertex) => bits.of(vertex.bits || "no codes"), page.legend(bits.legend)) })),
      legend, node, element("p", { class: "muted" }, "A box is a layer with all that was fused into " +
        "it; dashed: on the host. A click opens it."));
    causes();
  }

  const span = timeCharts.sharedSpan(timeline.end);

  const causeLegend = () => page.legend(data.causes.filter(({ label }) => label !== "idle").map(
    ({ label, step }) => [label, layerCharts.colour(step)]));

  function laneChart(place, over) {
    return timeCharts.lanes(place, timeline, over, { look, nameOf, shortName,
      layerCount: layers.length,
      onClick: openLayer, label: "time line of the engines" });
  }

  function time() {
    const together = timeline.together_below > 0
      ? ` Work shorter than ${thousands(timeline.together_below)} cycles is taken together; ` +
        "--trace has all of it." : "";
    const lanes = element("figure", { class: "whole" });
    section("time", "Time line of the engines",
      element("p", { class: "muted" }, "Drag to move, Ctrl and the wheel to zoom; with the " +
        `keyboard the arrows, +, − and 0. A click opens a layer.${together}`),
      span.tools(), lanes, causeLegend());
    laneChart(lanes, span);
    if (memories.length === 0) return;
    const parts = memories.map((memory) => ({ memory, amount: element("figure", { class: "whole" }),
                                              map: element("figure", { class: "whole" }) }));
    const show = (map) => parts.forEach((part) => {
      part.amount.hidden = map;
      part.map.hidden = !map;
    });
    section("occupancy", `${memories.map(({ name }) => name).join(" and ")} over time`,
      element("div", { class: "tools" }, choice({ "bytes taken": () => show(false),
                                                  addresses: () => show(true) })),
      span.tools(), parts.map(({ amount, map }) => [amount, map]),
      element("p", { class: "muted" }, "The dashed line is what programs may use. Buffers that " +
        "instructions work in are included. The time is that of the engines above, and moves " +
        "with it."));
    parts.forEach(({ memory, amount, map }) => [amount, map].forEach((place) =>
      timeCharts.memory(place, memory, timeline.end, span,
                        { nameOf, onClick: openLayer, addresses: place === map })));
    show(false);
  }

  function energyChart() {
    const all = energy.millijoules.typical;
    const rows = energy.terms.filter(({ millijoules }) => millijoules.typical > 0.002 * all)
      .map(({ name, millijoules }) => ({ name, ...millijoules, share: millijoules.typical / all }))
      .sort((a, b) => b.typical - a.typical);
    if (rows.length === 0) return;
    const place = element("figure", { class: "whole", "aria-label": "what takes energy" });
    section("energy", "What takes energy", place,
      element("p", { class: "muted" }, `An estimate for ${energy.technology} (docs/energy.md); the ` +
        "lines are its spread."));
    chart(place, layerCharts.spreads(rows, "mJ of an image"));
  }

  // --- tables

  const number = (title, hint, text, sort) => ({ title, hint, text, sort, numeric: true });
  const nameColumn = { title: "layer", text: (layer) => layer.name, sort: (layer) => layer.name };

  function layerTable() {
    const share = ({ key, label }) => number(label, "share of the layer's cycles",
      (layer) => (layer.cycles === 0 || layer.waterfall[key] === 0 ? "–"
        : percent(layer.waterfall[key] / layer.cycles)),
      (layer) => (layer.cycles === 0 ? null : layer.waterfall[key] / layer.cycles));
    const used = steps.filter(({ key }) => report.waterfall[key] > 0);
    section("layers", "Layers", table([nameColumn,
      { title: "operation", text: (layer) => layer.op, sort: (layer) => layer.op },
      { title: "result", hint: "channels × rows × columns",
        text: (layer) => shapeText(layer.shape), sort: (layer) => shapeText(layer.shape) },
      number("MACs", meaningOf.macs,
             (layer) => (layer.macs ? thousands(layer.macs) : "–"), (layer) => layer.macs),
      number("cycles", meaningOf.cycles, (layer) => thousands(layer.cycles),
             (layer) => layer.cycles),
      number("of all", "share of the run", (layer) => percent(layer.cycles / total),
             (layer) => layer.cycles),
      number("MAC/cycle", meaningOf.mac_per_cycle,
             (layer) => (layer.mac_per_cycle > 0 ? rate(layer.mac_per_cycle) : "–"),
             (layer) => layer.mac_per_cycle),
      number("of peak", meaningOf.percent_of_peak, (layer) => (layer.mac_per_cycle > 0
        ? percent(layer.percent_of_peak / 100) : "–"), (layer) => layer.percent_of_peak),
      ...used.map(share),
      number("moved", meaningOf.external_bytes,
             (layer) => (layer.external_bytes ? bytes(layer.external_bytes) : "–"),
             (layer) => layer.external_bytes)],
      layers, (layer) => openLayer(layer.index)),
      element("p", { class: "muted" }, "A click on a head sorts, one on a layer opens it."));
  }

  // Every row of the metric table that the report has a value for.
  function allFigures() {
    const values = { ...totals, ...report.memory };
    const shown = (value) => (value === null ? "–"
      : Number.isInteger(value) ? thousands(value) : significant(value, 6));
    section("figures", "All figures", page.facts(data.metrics.filter(({ name }) => name in values)
      .map(({ name, unit, total: meaning }) => [name,
        `${shown(values[name])} ${unit === "fraction" ? "" : unit} · ${meaning}`])));
  }

  function tileTable() {
    if (tiles.rows.length === 0) return;
    const columns = tiles.heads.map(({ title, hint, numeric }, i) => ({ title, hint, numeric,
      text: (row) => row.cells[i],
      sort: (row) => {
        if (!numeric) return row.cells[i];
        const value = Number.parseFloat(row.cells[i]);
        return Number.isNaN(value) ? null : value;
      } }));
    section("tiles", cluster ? "Tiles" : "Commands and tiles", table([
      { title: "layer", text: (row) => nameOf(row.layer), sort: (row) => nameOf(row.layer) },
      ...columns], tiles.rows, (row) => openLayer(row.layer)));
  }

  function list(id, title, items) {
    if (items.length > 0) section(id, title, element("ul", {}, items.map((item) =>
      element("li", {}, item))));
  }

  function support() {
    if (!report.support) return;
    const { machine: name, changed, figures, never_measured: never } = report.support;
    const rows = figures.map((one) => `${one.name}: ${one.metric} ${one.value}, ${one.source}` +
      (one.calibrates ? `, calibrated ${one.calibrates}` : ""));
    if (rows.length === 0) rows.push(`no published figure of ${name} ran what this runs`);
    if (changed.length > 0) rows.push(`all of other values of ${changed.join(", ")}`);
    if (never.length > 0) rows.push(`never measured: ${never.join(", ")}`);
    list("support", "Published figures that support this run (workbench validate)", rows);
  }

  function lists() {
    list("advice", "What would help: a knob of the machine doubled or halved, and the time of an " +
      "image (analytic tier)", report.advice?.lines ?? []);
    support();
    list("mismatches", "Differences from the golden model", (report.verdict.layers ?? []).map(
      (layer) => `${layer.name}: ${thousands(layer.mismatches)} of ${thousands(layer.values)} ` +
        `values, first at [${layer.coordinates.join(", ")}]: expected ${layer.expected}, got ` +
        `${layer.got}`));
    list("hazards", "Hazards", report.hazards.map(({ text }) => text));
    list("host", `On the host, ${cluster ? "in latency and images per second, not in cycles"
                                         : "not in cycles or images per second"}`, report.host_steps.map((step) =>
      `${step.name} (${step.op}), about ${significant(step.milliseconds, 3)} ms: ${step.reason}`));
    if (report.engines.length < 2) return;
    list("engines", "Engines of the card", report.engines.map((engine, i) =>
      `engine ${i}: ${thousands(engine.interval_cycles)} cycles from image to image, latency ` +
      `${thousands(engine.latency_cycles)}, ${significant(engine.engine_images_per_second)} images/s, ` +
      `waited ${thousands(engine.ddr_wait_cycles)} cycles for DDR`));
  }

  // --- one layer

  // The cycles in which some engine works for the layer, with a little before and behind.
  function spanOf(index) {
    let low = Infinity, high = 0;
    for (const lane of timeline.lanes) {
      for (let i = 0, at = 0; i < lane.pieces.length; i += 5) {
        const begin = at + lane.pieces[i];
        at = begin + lane.pieces[i + 1];
        if (lane.pieces[i + 2] !== index) continue;
        low = Math.min(low, begin);
        high = Math.max(high, at);
      }
    }
    return low < high ? [low - 0.04 * (high - low), high + 0.04 * (high - low)] : null;
  }

  function layerFacts(layer) {
    const cells = tilesOf.get(layer.index);
    return page.facts([
      ["operation", layer.op], ["result", shapeText(layer.shape)],
      ["MACs", layer.macs ? thousands(layer.macs) : "–"],
      ["cycles", `${thousands(layer.cycles)} (${percent(layer.cycles / total)} of the run)`],
      ["engines busy for", `${thousands(layer.busy_cycles)} cycles`],
      ["MACs per cycle", layer.mac_per_cycle > 0
        ? `${rate(layer.mac_per_cycle)} (${percent(layer.percent_of_peak / 100)} of peak)` : "–"],
      ...rooflines.map(({ memory, bytes: moved }) => [`bytes of ${memory}`,
                                                      bytes(moved[layer.index])]),
      [cluster ? "bytes of its result in L2" : "bytes of its result in the AM",
       thousands(layer.result_bytes)],
      ...(cells ? tiles.heads.map(({ title }, i) => [title, cells[i]]) : []),
      ["energy, estimate", `${significant(energy.layers[layer.index].typical, 3)} mJ`],
      ["stands for", layer.nodes.length > 0 ? layer.nodes.join(", ") : layer.name]]);
  }

  function instructionList(index) {
    const { layers: lists, counts, meanings } = data.instructions;
    const shown = lists[index];
    if (!shown || shown.length === 0) return [];
    const rest = counts[index] - shown.length;
    return element("details", {}, element("summary", {}, `Instructions: ${thousands(counts[index])}`),
      shown.map(({ number, text, fields }) => [element("h3", {}, `${number} ${text}`),
        element("div", { class: "scrolls" }, element("table", {}, element("tbody", {},
          fields.map(([field, value]) => element("tr", {}, element("td", {}, field),
            element("td", { class: "numeric" }, value), element("td", {}, meanings[field] ?? ""))))))]),
      rest > 0 ? element("p", { class: "muted" },
                         `${thousands(rest)} more: workbench disasm --explain has all of them.`) : []);
  }

  function openLayer(index) {
    const layer = layers[index];
    const bar = element("figure", { class: "whole", "aria-label": `cycles of ${layer.name}` });
    const lanes = element("figure", { class: "whole" });
    const place = spanOf(index);
    const own = timeCharts.sharedSpan(timeline.end);
    openDetail(`layer-${index}`, layer.name, [
      ...(layer.cycles > 0 ? [bar, layerCharts.legend(steps)] : []),
      ...(place ? [own.tools(), lanes, causeLegend()] : []), layerFacts(layer),
      instructionList(index)],
      (by) => openLayer((index + by + layers.length) % layers.length));
    if (layer.cycles > 0) {
      chart(bar, layerCharts.waterfall(layer.waterfall, steps, layer.cycles));
    }
    if (place) {
      laneChart(lanes, own);
      own.show(...place);
    }
  }

  heads();
  figures();
  if (total > 0) {
    whereCyclesWent();
    roofs();
    layerBars();
    networkSection();
    time();
    energyChart();
    layerTable();
    tileTable();
  }
  allFigures();
  lists();
  page.openByAddress("layer", layers.length, openLayer);
})();
