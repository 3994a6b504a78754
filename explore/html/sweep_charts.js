// Charts of a sweep's points. An axis is {title, log, values, of(point)}: `of` gives a number or
// null; an axis with `values` (texts) is of a few choices, and `of` gives the index of one.
"use strict";
const sweepCharts = (() => {
  const { format } = page;
  const cursor = { value: "pointer" };
  const kFront = "var(--second)", kPoint = "var(--first)";

  // The Pareto front of two axes: no point is as good in both and better in one. In order
  // of x; `signs`: 1 where less is better, -1 where more is.
  function front(rows, [signX, signY]) {
    const ordered = [...rows].sort((a, b) => signX * (a.x - b.x) || signY * (a.y - b.y));
    let best = Infinity;
    return ordered.filter((row) => {
      const better = signY * row.y < best;
      if (better) best = signY * row.y;
      return better;
    });
  }

  const wide = (values) => {
    const positive = values.filter((value) => value > 0);
    return positive.length === values.length && values.length > 0 &&
      Math.max(...values) > 30 * Math.min(...values);
  };

  function scaleOf(name, range, axis, values) {
    if (axis.values) {
      return { name, type: "point", range, padding: 0.5, domain: axis.values.map((_, i) => i) };
    }
    const low = Math.min(...values), high = Math.max(...values);
    if (wide(values)) {
      return { name, type: "log", range, domain: [low / 1.15, high * 1.15], nice: false };
    }
    const room = 0.06 * (high - low) || Math.abs(high) * 0.05 || 1;
    return { name, type: "linear", range, zero: false, nice: true,
             domain: [low >= 0 ? Math.max(0, low - room) : low - room, high + room] };
  }

  const axisOf = (scale, orient, axis) => ({ scale, orient, title: axis.title, grid: !axis.values,
    gridOpacity: 0.5, labelOverlap: true,
    ...(axis.values ? { encode: { labels: { update: { text: {
        signal: `${JSON.stringify(axis.values)}[datum.value]` } } } } }
                    : { tickCount: 6, format: "~s" }) });

  // One for each of several networks; of one network none: then colours say what is on the front.
  function networkColours(points) {
    const networks = [...new Set(points.map((point) => point.network))];
    return new Map(networks.length < 2 ? []
      : networks.map((network, i) => [network, `var(--cause${(2 * i) % 8})`]));
  }

  // Points over two axes, and for each network and tier the front of these two where both have a
  // better side. `colours`: of networks.
  function scatter(points, x, y, colours) {
    const rows = points.map((point) => ({ index: point.index, note: point.note, front: point.front,
      network: point.network, colour: colours.get(point.network) ?? (point.front ? kFront : kPoint),
      refined: point.tier === "transaction",
      x: x.of(point), y: y.of(point) }))
      .filter((row) => row.x !== null && row.y !== null);
    const both = x.sign && y.sign;
    const networks = [...new Set(rows.map((row) => row.network))];
    const lines = both ? networks.flatMap((network) => [false, true].flatMap((refined) =>
      front(rows.filter((row) => row.refined === refined && row.network === network),
            [x.sign, y.sign]).map((row) => ({ ...row, line: colours.get(network) ?? kFront })))) : [];
    const at = (field) => ({ scale: field, field });
    return {
      height: 380,
      data: [{ name: "points", values: rows }, { name: "line", values: lines }],
      scales: [scaleOf("x", "width", x, rows.map((row) => row.x)),
               scaleOf("y", "height", y, rows.map((row) => row.y))],
      axes: [axisOf("x", "bottom", x), axisOf("y", "left", y)],
      marks: [
        { type: "group", from: { facet: { name: "tier", data: "line",
                                          groupby: ["network", "refined"] } }, marks: [
          { type: "line", name: "front_line", from: { data: "tier" }, encode: { update: {
            x: at("x"), y: at("y"), stroke: { signal: "datum.line" }, strokeWidth: { value: 1.5 },
            strokeDash: { signal: "datum.refined ? [1, 0] : [5, 3]" },
            interpolate: { value: "step-after" } } } }] },
        { type: "symbol", name: "front_points", from: { data: "points" }, encode: { update: {
          x: at("x"), y: at("y"),
          shape: { signal: "datum.refined ? 'diamond' : 'circle'" },
          size: { signal: "datum.front ? 110 : 46" }, zindex: { signal: "datum.front ? 1 : 0" },
          fill: { field: "colour" },
          fillOpacity: { signal: "datum.front ? 0.95 : 0.45" },
          stroke: { signal: `datum.front ? '${colours.size > 0 ? "var(--ink)" : "var(--paper)"}' : null` },
          tooltip: { field: "note" }, cursor },
          hover: { fillOpacity: { value: 1 } } } }],
    };
  }

  // Share of an axis's height at which a point is, from 0 at the bottom; null: nowhere.
  function heightOn(axis, points) {
    const values = points.map(axis.of).filter((value) => value !== null);
    const log = !axis.values && wide(values);
    const side = (value) => (log ? Math.log(value) : value);
    const low = axis.values ? 0 : side(Math.min(...values));
    const high = axis.values ? axis.values.length - 1 : side(Math.max(...values));
    const share = (value) => (value === null ? null
      : high > low ? (side(value) - low) / (high - low) : 0.5);
    const ticks = axis.values
      ? axis.values.map((text, i) => ({ text, at: share(i) }))
      : [0, 0.25, 0.5, 0.75, 1].map((at) => {
          const value = low + at * (high - low);
          return { text: format.short(log ? Math.exp(value) : value), at };
        });
    return { of: (point) => share(axis.of(point)), ticks };
  }

  // Without the axes that put the points in the order of one before them, or in its reverse: a
  // latency says nothing beside its cycles.
  function telling(axes, points) {
    const ranks = (axis) => {
      const ordered = [...new Set(points.map(axis.of))].sort((a, b) => a - b);
      const place = new Map(ordered.map((value, i) => [value, i]));
      const up = points.map((point) => place.get(axis.of(point)));
      const down = up.map((rank) => ordered.length - 1 - rank);
      return [up.join(), down.join()];
    };
    const seen = new Set();
    return axes.filter((axis) => {
      const [up, down] = ranks(axis);
      const told = !axis.values && (seen.has(up) || seen.has(down));
      seen.add(up);
      return !told;
    });
  }

  // Cycles of one point's layers, one column each in the network's order.
  function layers(rows, cycles) {
    const values = rows.map(({ name, index }) => ({ index, cycles: cycles[index],
      note: `${name}: ${format.figure(cycles[index] ?? 0)} cycles` }));
    return {
      height: 130,
      data: [{ name: "rows", values }],
      scales: [{ name: "x", type: "band", range: "width", paddingInner: 0.15,
                 domain: rows.map(({ index }) => index) },
               { name: "y", type: "linear", range: "height", nice: true, zero: true,
                 domain: { data: "rows", field: "cycles" } }],
      axes: [{ scale: "y", orient: "left", format: "~s", tickCount: 4, grid: true,
               title: "cycles" }],
      marks: [{ type: "rect", name: "layer_bars", from: { data: "rows" }, encode: { update: {
        x: { scale: "x", field: "index" }, width: { scale: "x", band: 1 },
        y: { scale: "y", field: "cycles" }, y2: { scale: "y", value: 0 },
        fill: { value: kPoint }, tooltip: { field: "note" } } } }],
    };
  }

  // Parallel coordinates: a line per point. `heights`: of heightOn(), one per axis.
  function parallel(points, axes, heights) {
    const step = 1 / Math.max(1, axes.length - 1);
    const pathOf = (point) => {
      let path = "";
      heights.forEach((height, i) => {
        const at = height.of(point);
        if (at !== null) path += `${path ? "L" : "M"}${i * step * 1000},${(1 - at) * 1000}`;
      });
      return path;
    };
    const lines = points.map((point) => ({ index: point.index, note: point.note, on: true,
                                           front: point.front, path: pathOf(point) }))
      .sort((a, b) => a.front - b.front);
    const x = { scale: "axis", field: "axis" };
    return {
      height: 300,
      autosize: { type: "fit-x", contains: "padding" },
      data: [
        { name: "lines", values: lines },
        { name: "axes", values: axes.map((axis, i) => ({ axis: i, title: axis.title })) },
        { name: "ticks", values: heights.flatMap((height, i) => height.ticks.map(
          (tick) => ({ ...tick, axis: i }))) },
        { name: "brushes", values: [] }],
      scales: [
        { name: "axis", type: "linear", range: "width", zero: false, nice: false,
          domain: [-0.35, Math.max(1, axes.length - 1) + 0.35] },
        { name: "at", type: "linear", range: [{ signal: "height - 8" }, 34], domain: [0, 1] }],
      marks: [
        { type: "path", name: "line_paths", from: { data: "lines" }, encode: { update: {
          x: { scale: "axis", value: 0 }, y: { scale: "at", value: 1 }, path: { field: "path" },
          scaleX: { signal: `(scale('axis', ${Math.max(1, axes.length - 1)}) - scale('axis', 0)) ` +
                            "/ 1000" },
          scaleY: { signal: "(scale('at', 0) - scale('at', 1)) / 1000" },
          stroke: { signal: `datum.front ? '${kFront}' : '${kPoint}'` },
          strokeOpacity: { signal: "datum.on ? (datum.front ? 0.95 : " +
                                   `${points.length > 300 ? 0.25 : 0.5}) : 0.04` },
          strokeWidth: { signal: "datum.front ? 2 : 1.2" }, tooltip: { field: "note" }, cursor },
          hover: { strokeWidth: { value: 4 }, strokeOpacity: { value: 1 } } } },
        { type: "rule", from: { data: "axes" }, encode: { update: { x, y: { scale: "at", value: 0 },
          y2: { scale: "at", value: 1 }, stroke: { value: "var(--muted)" } } } },
        { type: "text", from: { data: "axes" }, encode: { update: { x, y: { value: 12 },
          align: { value: "center" }, text: { field: "title" }, fontWeight: { value: 600 },
          fontSize: { value: 12 }, limit: { signal: `0.95 * width / ${axes.length}` } } } },
        ...[{ stroke: { value: "var(--paper)" }, strokeWidth: { value: 4 },
              strokeOpacity: { value: 0.85 } }, {}].map((halo) => (
          { type: "text", from: { data: "ticks" }, interactive: false, encode: { update: { x,
            dx: { value: 6 }, y: { scale: "at", field: "at" }, baseline: { value: "middle" },
            text: { field: "text" }, fontSize: { value: 11 }, fill: { value: "var(--ink)" },
            ...halo } } })),
        { type: "rect", name: "brush_marks", from: { data: "brushes" }, encode: { update: {
          x: { signal: "scale('axis', datum.axis) - 8" },
          x2: { signal: "scale('axis', datum.axis) + 8" }, y: { scale: "at", field: "high" },
          y2: { scale: "at", field: "low" }, fill: { value: kPoint }, fillOpacity: { value: 0.25 },
          stroke: { value: kPoint } } } }],
    };
  }

  // The best of `cell.value` in each cell of two axes of choices; {x, y, value, index, count,
  // infeasible} by cell. `sign`: which is best; the stronger the colour the better.
  function heat(cells, x, y, metric) {
    const values = cells.map((cell) => cell.value).filter((value) => value !== null);
    const log = wide(values);
    const side = (value) => (log ? Math.log(value) : value);
    const low = Math.min(...values.map(side)), high = Math.max(...values.map(side));
    const rows = cells.map((cell) => {
      const share = cell.value === null ? 0 : high > low ? (side(cell.value) - low) / (high - low)
                                                         : 1;
      const good = metric.sign > 0 ? 1 - share : share;
      return { ...cell, text: cell.value === null ? "–" : format.short(cell.value),
               shade: cell.value === null ? 0 : 0.08 + 0.9 * good };
    });
    const choices = (name, range, axis) => ({ name, type: "band", range, paddingInner: 0.03,
                                              domain: axis.values.map((_, i) => i) });
    const place = (extra) => ({ x: { scale: "x", field: "x", ...extra },
                                y: { scale: "y", field: "y", ...extra } });
    return {
      height: Math.max(120, Math.min(420, 44 * y.values.length)),
      data: [{ name: "cells", values: rows }],
      scales: [choices("x", "width", x), choices("y", [{ signal: "height" }, 0], y)],
      axes: [{ ...axisOf("x", "bottom", x), grid: false },
             { ...axisOf("y", "left", y), grid: false }],
      marks: [
        { type: "rect", name: "heat_cells", from: { data: "cells" }, encode: { update: {
          ...place({}), width: { scale: "x", band: 1 }, height: { scale: "y", band: 1 },
          fill: { signal: `datum.value === null ? 'var(--raised)' : '${kPoint}'` },
          fillOpacity: { signal: "datum.value === null ? 1 : datum.shade" },
          stroke: { value: "var(--line)" }, strokeWidth: { value: 0.5 },
          tooltip: { field: "note" }, cursor } } },
        { type: "text", from: { data: "cells" }, interactive: false, encode: { update: {
          ...place({ band: 0.5 }), align: { value: "center" }, baseline: { value: "middle" },
          text: { signal: `bandwidth('x') > 34 ? datum.text : ''` },
          fill: { signal: "datum.shade > 0.55 ? 'var(--paper)' : 'var(--ink)'" } } } }],
    };
  }

  // A metric in both tiers: on the line they say the same. Rows: {index, note, x, y, swapped}.
  function tiers(rows, title) {
    const all = rows.flatMap((row) => [row.x, row.y]);
    const axis = { title: `analytic: ${title}` };
    const ends = [Math.min(...all), Math.max(...all)];
    return {
      height: 320,
      data: [{ name: "points", values: rows },
             { name: "line", values: ends.map((value) => ({ value })) }],
      scales: [scaleOf("x", "width", axis, all), scaleOf("y", "height", axis, all)],
      axes: [axisOf("x", "bottom", axis), axisOf("y", "left", { title: `transaction: ${title}` })],
      marks: [
        { type: "line", from: { data: "line" }, encode: { update: {
          x: { scale: "x", field: "value" }, y: { scale: "y", field: "value" },
          stroke: { value: "var(--muted)" }, strokeDash: { value: [4, 4] } } } },
        { type: "symbol", name: "tier_points", from: { data: "points" }, encode: { update: {
          x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" }, size: { value: 80 },
          shape: { value: "diamond" },
          fill: { signal: `datum.swapped ? '${kFront}' : '${kPoint}'` },
          fillOpacity: { value: 0.7 }, tooltip: { field: "note" }, cursor } } }],
    };
  }

  return { scatter, networkColours, heightOn, telling, parallel, heat, tiers, layers };
})();
