// Charts of a run's layers and of where its cycles went. A step is a cause of the waterfall: its
// colour is the page's --causeN. For run.js.
"use strict";
const layerCharts = (() => {
  const { format } = page;
  const { thousands, percent } = format;
  const colour = (step) => `var(--cause${step})`;
  const cursor = { value: "pointer" };

  // Pieces of one layer's bar: [{index, step, note, from, to, fromShare, toShare}].
  function pieces(layer, steps) {
    let at = 0;
    return steps.flatMap(({ key, label }, step) => {
      const cycles = layer.waterfall[key];
      const piece = { index: layer.index, step, colour: colour(step), from: at, to: at + cycles,
                      fromShare: at / layer.cycles, toShare: (at + cycles) / layer.cycles,
                      note: `${layer.name}: ${label} ${thousands(cycles)} cycles ` +
                            `(${percent(cycles / layer.cycles)})` };
      at += cycles;
      return cycles > 0 ? [piece] : [];
    });
  }

  // One bar a layer, stacked by cause. `shown`: the layers of this chart to begin with; the signal
  // `order` holds their indices, `mode` is "cycles" or "share".
  function bars(layers, steps, shown, mode = "cycles") {
    const most = Math.max(1, ...layers.map((layer) => layer.cycles));
    const y = { scale: "y", field: "index" };
    const of = (field) => ({ scale: "x",
      signal: `mode === 'share' ? datum.${field}Share : datum.${field}` });
    return {
      height: 19 * shown.length,
      signals: [{ name: "order", value: shown.map((layer) => layer.index) },
                { name: "mode", value: mode },
                { name: "names", value: layers.map((layer) => layer.short) }],
      data: [
        { name: "layers", values: layers.map((layer) => ({ index: layer.index, note:
            `${layer.name}: ${thousands(layer.cycles)} cycles` })),
          transform: [{ type: "filter", expr: "indexof(order, datum.index) >= 0" }] },
        { name: "pieces", values: layers.flatMap((layer) => pieces(layer, steps)),
          transform: [{ type: "filter", expr: "indexof(order, datum.index) >= 0" }] }],
      scales: [
        { name: "x", type: "linear", range: "width",
          domain: { signal: `mode === 'share' ? [0, 1] : [0, ${most}]` } },
        { name: "y", type: "band", range: "height", paddingInner: 0.25, paddingOuter: 0.12,
          domain: { signal: "order" } }],
      axes: [
        { scale: "x", orient: "top", grid: true, tickCount: 6,
          title: { signal: "mode === 'share' ? 'share of the layer' : 'cycles'" },
          format: { signal: "mode === 'share' ? '.0%' : '~s'" } },
        { scale: "y", orient: "left", ticks: false, domain: false,
          labelLimit: { signal: "min(260, 0.38 * available)" },
          encode: { labels: { interactive: true, update: {
            text: { signal: "names[datum.value]" }, cursor } } } }],
      marks: [
        { type: "rect", from: { data: "layers" }, encode: { update: {  // the whole row can be hit
          x: { value: 0 }, x2: { signal: "width" }, y, height: { scale: "y", band: 1 },
          fill: { value: "transparent" }, tooltip: { field: "note" }, cursor },
          hover: { fill: { value: "var(--raised)" } } } },
        { type: "rect", name: "bar_pieces", from: { data: "pieces" }, encode: { update: {
          x: of("from"), x2: of("to"), y, height: { scale: "y", band: 1 },
          fill: { field: "colour" }, tooltip: { field: "note" }, cursor } } }],
    };
  }

  // Where `total` cycles went, one bar a cause, each where the one before ends.
  function waterfall(cycles, steps, total) {
    let at = 0;
    const rows = steps.map(({ key, label }, step) => {
      const row = { label, colour: colour(step), on: `var(--on${step})`, from: at, to: at + cycles[key],
                    text: `${thousands(cycles[key])} · ${percent(cycles[key] / total)}` };
      at += cycles[key];
      return row;
    }).filter((row) => row.to > row.from);
    rows.push({ label: "total", colour: "var(--muted)", on: "var(--paper)", from: 0, to: total,
                text: `${thousands(total)} cycles` });
    const y = { scale: "y", field: "label" };
    // Where there is room for the text: right of the bar, left of it, or in it.
    const right = "scale('x', datum.to) + 118 < width";
    const left = `!(${right}) && scale('x', datum.from) > 118`;
    return {
      height: 27 * rows.length,
      data: [{ name: "rows", values: rows }],
      scales: [{ name: "x", type: "linear", range: "width", domain: [0, total] },
               { name: "y", type: "band", range: "height", padding: 0.22,
                 domain: rows.map((row) => row.label) }],
      axes: [{ scale: "x", orient: "bottom", format: "~s", grid: true, tickCount: 6,
               title: "cycles" },
             { scale: "y", orient: "left", ticks: false, domain: false }],
      marks: [
        { type: "rect", name: "steps", from: { data: "rows" }, encode: { update: {
          x: { scale: "x", field: "from" }, x2: { scale: "x", field: "to" }, y,
          height: { scale: "y", band: 1 }, fill: { field: "colour" },
          tooltip: { signal: "datum.label + ': ' + datum.text" } } } },
        { type: "text", from: { data: "rows" }, encode: { update: {
          x: { signal: `${right} ? scale('x', datum.to) + 6 : ${left} ? ` +
                       "scale('x', datum.from) - 6 : scale('x', datum.from) + 8" },
          align: { signal: `${left} ? 'right' : 'left'` },
          y: { ...y, band: 0.5 }, baseline: { value: "middle" }, text: { field: "text" },
          fill: { signal: `${right} || ${left} ? 'var(--ink)' : datum.on` } } } }],
    };
  }

  // Which cause but the ideal one takes most of a layer; -1: none.
  function leading(layer, steps) {
    let best = -1;
    steps.forEach(({ key }, step) => {
      const cycles = layer.waterfall[key];
      if (step > 0 && cycles > 0 && (best < 0 || cycles > layer.waterfall[steps[best].key])) {
        best = step;
      }
    });
    return best;
  }

  // The largest circles whose names would not lie on one another.
  function apart(rows) {
    const chosen = [];
    for (const row of [...rows].sort((a, b) => b.size - a.size)) {
      const near = (other) => Math.abs(Math.log(row.y / other.y)) < 0.35 &&
                              Math.abs(Math.log(row.x / other.x)) < 1.2;
      if (!chosen.some(near)) chosen.push(row);
    }
    return chosen;
  }

  // Work over traffic, on log scales. Nothing lies above the flat of the roof; above the slope lies
  // what had its data brought while others ran. Layers without MACs are below the plot, those
  // without traffic right of it. `roof`: {memory, bytes_per_cycle, bytes}, bytes by
  // layer; `peak`: MACs a cycle; `images`: computed side by side.
  function roofline(layers, steps, roof, peak, images) {
    const most = Math.max(1, ...layers.map((layer) => layer.cycles));
    const rows = layers.map((layer) => {
      const bytes = roof.bytes[layer.index];
      const step = leading(layer, steps);
      const intensity = layer.macs > 0 && bytes > 0 ? layer.macs * images / bytes : null;
      const plain = layer.mac_per_cycle > 0;
      return { index: layer.index, name: layer.short, x: intensity, y: layer.mac_per_cycle,
               place: !plain ? "below" : intensity === null ? "right" : "plot",
               size: 30 + 500 * layer.cycles / most, colour: colour(Math.max(step, 0)),
               note: `${layer.name}: ${layer.mac_per_cycle.toPrecision(4)} MAC/cycle, ` +
                 (intensity === null ? "" : `${intensity.toPrecision(3)} MAC/byte, `) +
                 `${thousands(layer.cycles)} cycles` +
                 (step < 0 ? "" : `; mostly ${steps[step].label} beside the ideal`) };
    });
    const plot = rows.filter((row) => row.place === "plot");
    const ridge = peak / roof.bytes_per_cycle;
    const low = Math.min(ridge, ...plot.map((row) => row.x)) / 2;
    const high = Math.max(ridge, ...plot.map((row) => row.x)) * 2;
    const below = rows.filter((row) => row.place === "below");
    const floor = Math.min(peak / 20, ...plot.map((row) => row.y)) / 1.6;
    const point = (x, y) => ({ type: "symbol", encode: { update: { x, y,
      size: { field: "size" }, fill: { field: "colour" }, fillOpacity: { value: 0.75 },
      stroke: { value: "var(--paper)" }, strokeWidth: { value: 1 }, tooltip: { field: "note" },
      cursor } } });
    const strip = 26, side = 34;
    return {
      height: 340,
      data: [
        { name: "roof", values: [{ x: low, y: low * roof.bytes_per_cycle }, { x: ridge, y: peak },
                                 { x: high, y: peak }] },
        { name: "plot", values: plot }, { name: "below", values: below },
        { name: "right", values: rows.filter((row) => row.place === "right") },
        { name: "labels", values: apart(plot).slice(0, 4)
          .map((row, rank) => ({ ...row, rank })) }],
      scales: [
        { name: "x", type: "log", domain: [low, high],
          range: [0, { signal: `width - ${side}` }] },
        { name: "y", type: "log", domain: [floor, peak * 1.5],
          range: [{ signal: `height - ${strip}` }, 0] },
        { name: "strip", type: "point", padding: 1,
          range: [112, { signal: `width - ${side}` }],
          domain: below.map((row) => row.index) }],
      axes: [{ scale: "x", orient: "bottom", format: "~s", tickCount: 6, grid: true,
               gridOpacity: 0.45, title: `MACs per byte of ${roof.memory}` },
             { scale: "y", orient: "left", format: "~s", tickCount: 5, grid: true,
               gridOpacity: 0.45, title: "MACs per cycle" }],
      marks: [
        { type: "rect", encode: { update: { x: { value: 0 }, x2: { signal: "width" },
          y: { signal: `height - ${strip}` }, y2: { signal: "height" },
          fill: { value: "var(--raised)" } } } },
        { type: "text", encode: { update: { x: { value: 4 }, y: { signal: `height - ${strip / 2}` },
          baseline: { value: "middle" }, text: { value: below.length ? "no MACs of its own" : "" },
          fill: { value: "var(--muted)" }, fontSize: { value: 11 } } } },
        { type: "line", name: "roof_line", from: { data: "roof" }, clip: true, encode: { update: {
          x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" },
          stroke: { value: "var(--ink)" }, strokeWidth: { value: 1.5 } } } },
        { type: "text", encode: { update: { x: { signal: `width - ${side} - 4` },
          y: { scale: "y", value: peak, offset: -6 }, align: { value: "right" },
          text: { value: `${peak.toLocaleString("en-US")} MAC/cycle` },
          fill: { value: "var(--muted)" } } } },
        { name: "layers_in_plot", ...point({ scale: "x", field: "x" }, { scale: "y", field: "y" }),
          from: { data: "plot" } },
        { name: "layers_below", ...point({ scale: "strip", field: "index" },
                                         { signal: `height - ${strip / 2}` }),
          from: { data: "below" } },
        { name: "layers_right", ...point({ signal: `width - ${side / 2}` },
                                         { scale: "y", field: "y" }), from: { data: "right" } },
        { type: "text", from: { data: "labels" }, interactive: false, encode: { update: {
          x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" },
          dx: { signal: "scale('x', datum.x) > width / 2 ? -12 : 12" }, dy: { value: 4 },
          align: { signal: "scale('x', datum.x) > width / 2 ? 'right' : 'left'" },
          text: { signal: "width < 500 && datum.rank > 1 ? '' : datum.name" },
          limit: { signal: "width / 3" }, fontSize: { value: 11 } } } }],
    };
  }

  // Estimates as bars with their spread: [{name, low, typical, high, share}].
  function spreads(rows, title) {
    const y = { scale: "y", field: "name" };
    return {
      height: 24 * rows.length,
      data: [{ name: "rows", values: rows }],
      scales: [{ name: "x", type: "linear", range: "width", nice: true, zero: true,
                 domain: { data: "rows", field: "high" } },
               { name: "y", type: "band", range: "height", padding: 0.25,
                 domain: rows.map(({ name }) => name) }],
      axes: [{ scale: "x", orient: "bottom", grid: true, tickCount: 6, title },
             { scale: "y", orient: "left", ticks: false, domain: false }],
      marks: [
        { type: "rect", name: "spread_bars", from: { data: "rows" }, encode: { update: {
          x: { scale: "x", value: 0 }, x2: { scale: "x", field: "typical" }, y,
          height: { scale: "y", band: 1 }, fill: { value: colour(0) }, tooltip: {
            signal: "datum.name + ': ' + format(datum.typical, '.3~g') + ' (' + " +
              "format(datum.low, '.2~g') + ' to ' + format(datum.high, '.2~g') + '), ' + " +
              "format(datum.share, '.0%')" } } } },
        { type: "rule", from: { data: "rows" }, encode: { update: {
          x: { scale: "x", field: "low" }, x2: { scale: "x", field: "high" }, y: { ...y, band: 0.5 },
          stroke: { value: "var(--ink)" }, strokeWidth: { value: 1.5 } } } }],
    };
  }

  const legend = (steps) => page.legend(steps.map(({ label }, step) => [label, colour(step)]));

  return { bars, waterfall, roofline, spreads, legend, colour, leading };
})();
