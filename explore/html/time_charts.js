// Charts over the time of a run: what engines do, and what memories hold. All charts of a page show
// the same span of time; dragging, the keyboard, buttons, or the wheel with Ctrl move it.
"use strict";
const timeCharts = (() => {
  const { element, format, chart } = page;
  const { thousands } = format;
  const cursor = { value: "pointer" };

  // Flat lists of the report (run_page.cpp) as [{begin, end, layer, cause, busy}].
  function decoded(numbers) {
    const pieces = [];
    for (let i = 0, at = 0; i < numbers.length; i += 5) {
      const begin = at + numbers[i];
      at = begin + numbers[i + 1];
      pieces.push({ begin, end: at, layer: numbers[i + 2], cause: numbers[i + 3],
                    busy: numbers[i + 4] / 100 });
    }
    return pieces;
  }

  // Pieces within [low, high), those shorter than `least` cycles taken together: one for each layer
  // and cause that leads.
  function visible(pieces, low, high, least) {
    const shown = [];
    let run = [];
    const flush = () => {
      if (run.length === 0) return;
      const shares = new Map();
      let best = run[0], busy = 0;
      for (const piece of run) {
        const key = `${piece.layer} ${piece.cause}`;
        const share = (shares.get(key) ?? 0) + piece.busy * (piece.end - piece.begin);
        shares.set(key, share);
        if (share > shares.get(`${best.layer} ${best.cause}`)) best = piece;
        busy += piece.busy * (piece.end - piece.begin);
      }
      const begin = run[0].begin, end = run[run.length - 1].end;
      shown.push(run.length === 1 ? run[0]
        : { begin, end, layer: best.layer, cause: best.cause, busy: busy / (end - begin) });
      run = [];
    };
    for (let i = first(pieces, low); i < pieces.length && pieces[i].begin < high; ++i) {
      const piece = pieces[i];
      if (run.length > 0 && piece.begin >= run[run.length - 1].end + least) flush();
      if (piece.end - piece.begin >= least) {
        flush();
        shown.push(piece);
        continue;
      }
      run.push(piece);
      if (piece.end - run[0].begin >= least) flush();
    }
    flush();
    return shown;
  }

  // Index of the first piece that ends after `time`.
  function first(pieces, time) {
    let low = 0, high = pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pieces[middle].end <= time) low = middle + 1; else high = middle;
    }
    return low;
  }

  // From when to when the run is about a layer: until another one begins in the lane that has most
  // of it.
  function layerSpans(lanes, layerCount, array) {
    const begins = new Map();
    const look = (lane) => lane.pieces.forEach(({ begin, layer }) => {
      if (layer >= 0 && !begins.has(layer)) begins.set(layer, begin);
    });
    lanes.filter((lane) => lane.name === array).forEach(look);
    [...lanes].filter((lane) => lane.name !== array)
      .sort((a, b) => a.pieces.length - b.pieces.length).forEach(look);
    const ordered = [...begins].filter(([layer]) => layer < layerCount)
      .sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    return ordered.map(([layer, begin], i) => ({ layer, begin, even: i % 2 === 0,
      end: i + 1 < ordered.length ? ordered[i + 1][1] : Infinity }));
  }

  // The span of time that charts share: add(view, container, redraw) for each of them.
  function sharedSpan(end) {
    let low = 0, high = end;
    const charts = [];
    const least = Math.min(end, 20);
    const show = (from, to) => {
      const length = Math.min(end, Math.max(least, to - from));
      low = Math.min(Math.max(0, from), end - length);
      high = low + length;
      charts.forEach(({ redraw }) => redraw(low, high));
    };
    // Keeps `at` (0 to 1 of the width) where it is.
    const zoom = (factor, at = 0.5) => {
      const middle = low + at * (high - low);
      show(middle - at * (high - low) * factor, middle + (1 - at) * (high - low) * factor);
    };
    const pan = (share) => show(low + share * (high - low), high + share * (high - low));
    const keys = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2),
                   "0": () => show(0, end), ArrowLeft: () => pan(-0.25),
                   ArrowRight: () => pan(0.25) };

    function add(view, container, redraw) {
      charts.push({ redraw });
      container.tabIndex = 0;
      container.classList.add("time");
      const share = (event) => {
        const left = container.getBoundingClientRect().left + view.origin()[0] + 4;
        return Math.min(1, Math.max(0, (event.clientX - left) / view.width()));
      };
      container.addEventListener("keydown", (event) => {
        if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        keys[event.key]();
      });
      container.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        zoom(Math.exp(Math.sign(event.deltaY) * 0.25), share(event));
      }, { passive: false });
      drag(view, container);
      redraw(low, high);
    }

    // A press that moves is no click.
    function drag(view, container) {
      let from = null, moved = false;
      container.addEventListener("pointerdown", (event) => {
        from = { x: event.clientX, low, high };
        moved = false;
      });
      container.addEventListener("pointermove", (event) => {
        if (from === null || event.buttons === 0) return;
        if (!moved && Math.abs(event.clientX - from.x) > 4) {
          moved = true;
          container.setPointerCapture(event.pointerId);
        }
        if (!moved) return;
        const by = (event.clientX - from.x) / view.width() * (from.high - from.low);
        show(from.low - by, from.high - by);
      });
      container.addEventListener("pointerup", () => { from = null; });
      container.addEventListener("pointercancel", () => { from = null; });
      container.addEventListener("click", (event) => moved && event.stopPropagation(), true);
    }

    const button = (text, label, action) => element("button", {
      type: "button", "aria-label": label, title: label, onclick: action }, text);
    const tools = () => element("div", { class: "tools" },
      button("−", "zoom out", () => zoom(2)), button("+", "zoom in", () => zoom(0.5)),
      button("◂", "earlier", () => pan(-0.5)), button("▸", "later", () => pan(0.5)),
      button("whole run", "show the whole run", () => show(0, end)));
    return { add, show, tools, span: () => [low, high] };
  }

  const timeScale = { name: "x", type: "linear", range: "width", zero: false, nice: false,
                      domain: { signal: "span" } };
  const timeAxis = { scale: "x", orient: "bottom", tickCount: 6, grid: true, format: "~s",
                     title: "cycles" };

  // What engines do within [low, high]. `timeline`: of the report; `look(cause)`: {label, colour};
  // `nameOf(layer)`; `shortName(name)`: as short as it can be.
  function lanes(container, timeline, span, { look, nameOf, shortName, layerCount, onClick, label }) {
    const all = timeline.lanes.map((lane) => ({ name: lane.name, pieces: decoded(lane.pieces) }))
      .filter((lane) => lane.pieces.length > 0);
    const spans = layerSpans(all, layerCount, timeline.array);
    const names = ["layers", ...all.map((lane) => lane.name)];
    container.setAttribute("aria-label", label);
    const y = { scale: "y", field: "lane" };
    const clipped = (field) => ({ signal: `clamp(scale('x', datum.${field}), 0, width)` });
    const view = chart(container, {
      height: 24 * names.length,
      signals: [{ name: "span", value: [0, timeline.end] }],
      data: [{ name: "pieces", values: [] }, { name: "layers", values: [] }],
      scales: [timeScale, { name: "y", type: "band", range: "height", domain: names,
                            padding: 0.14 }],
      axes: [timeAxis, { scale: "y", orient: "left", ticks: false, domain: false }],
      marks: [
        { type: "rect", name: "layer_lane", from: { data: "layers" }, encode: { update: {
          x: clipped("begin"), x2: clipped("end"), y, height: { scale: "y", band: 1 },
          fill: { signal: "datum.even ? 'var(--line)' : 'var(--raised)'" },
          tooltip: { field: "note" }, cursor } } },
        { type: "text", from: { data: "layers" }, interactive: false, encode: { update: {
          x: { signal: "clamp(scale('x', datum.begin), 0, width) + 3" }, y: { ...y, band: 0.5 },
          baseline: { value: "middle" }, fontSize: { value: 11 },
          text: { signal: "clamp(scale('x', datum.end), 0, width) - " +
                          "clamp(scale('x', datum.begin), 0, width) > 34 ? datum.name : ''" },
          limit: { signal: "clamp(scale('x', datum.end), 0, width) - " +
                           "clamp(scale('x', datum.begin), 0, width) - 5" } } } },
        { type: "rect", name: "engine_lanes", from: { data: "pieces" }, encode: { update: {
          x: clipped("begin"), x2: clipped("end"), y, height: { scale: "y", band: 1 },
          fill: { field: "colour" }, fillOpacity: { signal: "max(0.2, datum.busy)" },
          tooltip: { field: "note" }, cursor } } }],
    }, { onClick: (datum) => datum.layer >= 0 && onClick(datum.layer) });

    const noteOf = (lane, piece) => {
      const { label: cause } = look(piece.cause);
      const rest = piece.busy < 0.995 ? `, busy ${format.percent(piece.busy, 0)} of it` : "";
      return `${lane.name}, ${piece.layer < 0 ? "no layer" : nameOf(piece.layer)}: ${cause}, ` +
        `${thousands(piece.end - piece.begin)} cycles from ${thousands(piece.begin)}${rest}`;
    };
    span.add(view, container, (low, high) => {
      const least = 1.2 * (high - low) / Math.max(view.width(), 240);
      view.signal("span", [low, high])
        .data("pieces", all.flatMap((lane) => visible(lane.pieces, low, high, least)
          .map((piece) => ({ ...piece, lane: lane.name, colour: look(piece.cause).colour,
                             note: noteOf(lane, piece) }))))
        .data("layers", spans.filter(({ begin, end }) => end > low && begin < high)
          .map((one) => ({ ...one, end: Math.min(one.end, timeline.end), lane: "layers",
                           name: shortName(nameOf(one.layer)), note: nameOf(one.layer) })))
        .run();
    });
    return view;
  }

  // Bytes taken of a memory over time (`memory`: of the report), or where its volumes lie.
  function memory(container, { name, capacity_bytes: capacity, volumes, occupied }, end, span,
                  { nameOf, onClick, addresses }) {
    const steps = occupied.map(({ time, bytes }) => ({ time, bytes }));
    if (steps.length > 0) steps.push({ time: end, bytes: steps[steps.length - 1].bytes });
    const short = page.shortNames(volumes.map((volume) => volume.name));
    const rows = volumes.map((volume) => ({ ...volume, top: volume.address + volume.bytes,
      short: short.get(volume.name),
      colour: layerCharts.colour(volume.layer % 2 === 0 ? 0 : 2),
      note: `${volume.name}: ${format.bytes(volume.bytes)} at ${thousands(volume.address)}, ` +
        `cycles ${thousands(volume.begin)} to ${thousands(volume.end)}` +
        (volume.layer < 0 ? "" : `, of ${nameOf(volume.layer)}`) }));
    const x = (field) => ({ signal: `clamp(scale('x', datum.${field}), 0, width)` });
    // Of a memory that is mostly empty, addresses are shown as far as they are used.
    const used = Math.max(1, ...rows.map(({ top }) => top));
    const whole = !addresses || used > capacity / 2;
    const highest = whole ? capacity * 1.04 : used * 1.1;
    const room = "clamp(scale('x', datum.end), 0, width) - clamp(scale('x', datum.begin), 0, width)";
    const marks = addresses
      ? [{ type: "rect", name: "volumes", from: { data: "rows" }, encode: { update: {
           x: x("begin"), x2: x("end"), y: { scale: "y", field: "top" },
           y2: { scale: "y", field: "address" }, fill: { field: "colour" },
           fillOpacity: { value: 0.55 }, stroke: { value: "var(--paper)" },
           strokeWidth: { value: 0.6 }, tooltip: { field: "note" }, cursor } } },
         { type: "text", name: "volume_names", from: { data: "rows" }, interactive: false,
           encode: { update: {
             x: { signal: "clamp(scale('x', datum.begin), 0, width) + 3" },
             y: { signal: "(scale('y', datum.top) + scale('y', datum.address)) / 2" },
             baseline: { value: "middle" }, fontSize: { value: 11 },
             text: { signal: `${room} > 34 && scale('y', datum.address) - scale('y', datum.top) ` +
                             "> 11 ? datum.short : ''" },
             limit: { signal: `${room} - 6` } } } }]
      : [{ type: "area", name: "taken", from: { data: "rows" }, clip: true, encode: { update: {
           x: { scale: "x", field: "time" }, y: { scale: "y", field: "bytes" },
           y2: { scale: "y", value: 0 }, interpolate: { value: "step-after" },
           fill: { value: "var(--cause0)" }, fillOpacity: { value: 0.6 } } } }];
    const view = chart(container, {
      height: addresses ? 220 : 130,
      signals: [{ name: "span", value: [0, end] }],
      data: [{ name: "rows", values: addresses ? rows : steps }],
      scales: [timeScale, { name: "y", type: "linear", range: "height", nice: false, zero: true,
                            domain: [0, highest] }],
      axes: [timeAxis, { scale: "y", orient: "left", format: "~s", tickCount: 4, grid: true,
                         title: whole ? `bytes of ${name}`
                                        : `bytes of ${name}, which has ${format.bytes(capacity)}` }],
      marks: [...marks, ...(!whole ? [] : [
        { type: "rule", encode: { update: { x: { value: 0 }, x2: { signal: "width" },
          y: { scale: "y", value: capacity }, stroke: { value: "var(--second)" },
          strokeDash: { value: [5, 4] } } } }])],
    }, { onClick: (datum) => datum.layer >= 0 && onClick(datum.layer) });
    container.setAttribute("aria-label", `${name} over time`);
    span.add(view, container, (low, high) => view.signal("span", [low, high]).run());
    return view;
  }

  return { sharedSpan, lanes, memory };
})();
