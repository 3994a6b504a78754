// The page of `workbench sweep --html`: its data are those of --json (docs/report-json.md). Brushes
// on the parallel axes and the filters choose points; all charts and the table show the chosen.
"use strict";
(() => {
  const { data, main, element, section, format, chart, choice, select, table, tile,
          openDetail } = page;
  const { thousands, percent, figure } = format;
  const { points, many, metricOf, settingsText, valueText, twinsOf, choices, objectives, others,
          figures, matches } = sweepPoints;

  // --- what is chosen

  const chosen = { text: "", front: false, tier: "", network: "", brushes: new Map() };
  const shows = [];  // called when the choice has changed

  // Without the brushes: what the parallel axes draw.
  function filtered() {
    const words = chosen.text.split(/\s+/).filter((word) => word !== "");
    return points.filter((point) => (!chosen.front || point.front) &&
      (chosen.tier === "" || point.tier === chosen.tier) &&
      (chosen.network === "" || point.network === chosen.network) && matches(point, words));
  }
  const inBrushes = (point) => [...chosen.brushes.values()].every(({ height, low, high }) => {
    const at = height.of(point);
    return at !== null && at >= low - 1e-9 && at <= high + 1e-9;
  });
  const shown = () => filtered().filter(inBrushes);
  const update = () => shows.forEach((show) => show());

  // --- top of the page

  const withStatus = (status) => points.filter((point) => point.status === status).length;

  function heads() {
    main.append(
      element("h1", {}, data.name),
      element("p", { class: "muted subtitle" }, `${data.networks.join(", ")} on ` +
        `${data.machines.join(", ")} · ` +
        data.objectives.map(({ metric, better }) => `${better === "lower" ? "least" : "most"} ` +
          metric).join(", ") +
        (data.constraints.length > 0 ? ` · where ${data.constraints.join(", ")}` : "") +
        (data.store ? ` · results in ${data.store}` : "")),
      ...data.warnings.map((text) => element("p", { class: "warning" }, `Warning: ${text}`)));
  }

  function totals() {
    const refined = points.filter((point) => point.tier === "transaction");
    const compared = refined.filter((point) => point.bit_exact !== null);
    const wrong = withStatus("failed");
    const [first] = data.agreement;
    section("totals", "Points", element("div", { class: "tiles" },
      tile("points", "points", thousands(points.length),
           many.tier ? `${thousands(refined.length)} of them at the transaction tier` : ""),
      tile("on_front", "on a Pareto front", thousands(points.filter((point) => point.front).length),
           `${thousands(points.filter((point) => point.status === "ok" && !point.meets).length)} ` +
           "miss a constraint"),
      tile("infeasible", "infeasible", thousands(withStatus("infeasible")),
           withStatus("infeasible") > 0 ? "with their reasons below" : ""),
      tile("failed", "failed", element("span", { class: wrong > 0 ? "warning" : undefined },
                                       thousands(wrong)), ""),
      tile("exact", "golden model", compared.length === 0 ? "not compared"
        : element("span", { class: compared.every((point) => point.bit_exact) ? "good"
                                                                              : "warning" },
            compared.every((point) => point.bit_exact) ? "bit-exact" : "different"),
        compared.length === 0 ? "" : `on ${format.count(compared.length, "refined point")}`),
      tile("agreement", "tiers agree", first ? `τ ${first.kendall_tau.toFixed(3)}` : "–",
           first ? `ranks of ${first.metric}; mean error ` +
             percent(first.mean_absolute_error) : "nothing was refined")));
  }

  function filters() {
    const text = element("input", { type: "search", size: "34", placeholder: "cores>=4 l1=16k",
      "aria-label": "filter", oninput: () => { chosen.text = text.value; update(); } });
    const front = element("input", { type: "checkbox", id: "only_front",
      onchange: () => { chosen.front = front.checked; update(); } });
    const count = element("span", { class: "muted", id: "count" });
    shows.push(() => { count.textContent = `${thousands(shown().length)} of ` +
                                           `${format.count(points.length, "point")} chosen`; });
    main.append(element("section", { id: "filters" }, element("div", { class: "tools" },
      element("label", {}, "filter", text),
      element("label", {}, front, "front only"),
      many.network ? select("network", ["all", ...data.networks],
        (i) => { chosen.network = ["", ...data.networks][i]; update(); }) : [],
      many.tier ? select("tier", ["both", "analytic", "transaction"],
        (i) => { chosen.tier = ["", "analytic", "transaction"][i]; update(); }) : [],
      element("button", { type: "button", onclick: () => {
        chosen.text = text.value = "";
        chosen.front = front.checked = false;
        chosen.brushes.clear();
        update();
      } }, "choose all"), count)));
  }

  // --- charts

  const open = (datum) => openPoint(datum.index);
  const ok = (list) => list.filter((point) => point.status === "ok");

  function frontChart() {
    const axes = [...figures, ...choices];
    let x = 0, y = objectives.length > 1 ? 1 : Math.max(axes.indexOf(choices[0]), 0);
    if (objectives.length < 2 && choices.length > 0) [x, y] = [y, x];
    const place = element("figure", { class: "whole", "aria-label": "points over two axes" });
    const colours = sweepCharts.networkColours(points);
    const draw = () => chart(place, sweepCharts.scatter(ok(shown()), axes[x], axes[y], colours),
                             { onClick: open });
    const titles = axes.map(({ title }) => title);
    section("front", "Pareto front", element("div", { class: "tools" },
      select("across", titles, (i) => { x = i; draw(); }, x),
      select("up", titles, (i) => { y = i; draw(); }, y)), place,
      page.legend(colours.size > 0
        ? [...colours].map(([network, colour]) => [page.shortNames(data.networks).get(network), colour])
        : [["on the front of the objectives", "var(--second)"], ["other points", "var(--first)"]]),
      element("p", { class: "muted" }, "Lines are the fronts of these two axes. Circles and the " +
        "dashed line are analytic, diamonds and the other line of the transaction tier. Large ones are " +
        "on the front of the objectives. A click opens a point."));
    shows.push(draw);
  }

  function parallelChart() {
    const first = ({ name }) => (/^(energy_mj|area_mm2)$/.test(name) ? 0 : 1);  // what people ask
    const wanted = [...choices.filter((axis) => axis.values.length > 1), ...objectives,
                    ...others.filter((axis) => axis.sign !== 0).sort((a, b) => first(a) - first(b))]
      .filter((axis) => new Set(ok(points).map(axis.of)).size > 1);
    const axes = sweepCharts.telling(wanted, ok(points)).slice(0, 8);
    if (axes.length < 2) return;
    const heights = axes.map((axis) => sweepCharts.heightOn(axis, ok(points)));
    const place = element("figure", { class: "whole brushed", "aria-label": "parallel axes" });
    let view = null;
    const brushRows = () => [...chosen.brushes.entries()].map(([axis, { low, high }]) =>
      ({ axis, low, high }));
    const draw = () => {
      view = chart(place, sweepCharts.parallel(ok(filtered()), axes, heights), { onClick: open });
      const lines = view.data("lines").map((line) => ({ ...line,
                                                        on: inBrushes(points[line.index]) }));
      view.data("lines", lines).data("brushes", brushRows()).run();
    };
    section("parallel", "Parallel axes",
      element("p", { class: "muted" }, "A line is a point. Drag along an axis to choose a range " +
        "of it, click beside the range to drop it; the filter above does the same from the keyboard."),
      element("div", { class: "scrolls", tabindex: "0" }, place));
    shows.push(draw);

    let from = null;
    const at = (event) => {
      const box = place.getBoundingClientRect();
      const [left, top] = view.origin();
      const px = event.clientX - box.left - left - 4, py = event.clientY - box.top - top - 4;
      const axis = view.scale("axis"), share = view.scale("at");
      const nearest = Math.round(axis.invert(px));
      return { axis: nearest, near: Math.abs(axis(nearest) - px) < 14 && nearest in axes,
               share: Math.min(1, Math.max(0, share.invert(py))) };
    };
    place.addEventListener("pointerdown", (event) => {
      const pressed = at(event);
      brushed = false;
      if (pressed.near) from = pressed;
    });
    place.addEventListener("pointermove", (event) => {
      place.style.cursor = at(event).near ? "ns-resize" : "";
      if (from === null || event.buttons === 0) return;
      const { share } = at(event);
      if (Math.abs(share - from.share) < 0.015) return;
      place.setPointerCapture(event.pointerId);
      chosen.brushes.set(from.axis, { height: heights[from.axis],
        low: Math.min(share, from.share), high: Math.max(share, from.share) });
      from.moved = true;
      view.data("brushes", brushRows()).run();
    });
    let brushed = false;  // then the click that follows opens nothing
    place.addEventListener("pointerup", () => {
      brushed = from !== null && (from.moved || chosen.brushes.delete(from.axis));
      from = null;
      if (brushed) update();
    });
    place.addEventListener("click", (event) => brushed && event.stopPropagation(), true);
  }

  function heatMap() {
    const axes = choices.filter((axis) => axis.values.length > 1);
    if (axes.length < 2) return;
    let x = 0, y = 1, metric = 0;
    const place = element("figure", { class: "whole", "aria-label": "heat map" });
    const draw = () => {
      const { of, sign: way, title } = figures[metric];
      const cells = new Map();
      // An analytic figure beside a refined one would always win.
      const tiersMix = many.tier && chosen.tier === "";
      for (const point of shown().filter(({ tier }) => !tiersMix || tier === "analytic")) {
        const [i, j] = [axes[x].of(point), axes[y].of(point)];
        if (i === null || j === null) continue;
        const key = `${i} ${j}`;
        const cell = cells.get(key) ?? { x: i, y: j, value: null, index: point.index, count: 0 };
        cells.set(key, cell);
        const value = point.status === "ok" ? of(point) : null;
        if (value === null) continue;
        ++cell.count;
        if (cell.value === null || (way < 0 ? value > cell.value : value < cell.value)) {
          cell.value = value;
          cell.index = point.index;
        }
      }
      const rows = [...cells.values()].map((cell) => ({ ...cell, note:
        `${axes[x].title} ${axes[x].values[cell.x]}, ${axes[y].title} ${axes[y].values[cell.y]}: ` +
        (cell.value === null ? points[cell.index].note
          : `${title} ${figure(cell.value)}, best of ${format.count(cell.count, "point")}`) }));
      chart(place, sweepCharts.heat(rows, axes[x], axes[y], { sign: way || 1 }), { onClick: open });
    };
    const titles = axes.map(({ title }) => title);
    section("heat", "Heat map", element("div", { class: "tools" },
      select("across", titles, (i) => { x = i; draw(); }, x),
      select("up", titles, (i) => { y = i; draw(); }, y),
      select("figure", figures.map(({ title }) => title), (i) => { metric = i; draw(); })), place,
      element("p", { class: "muted" },
        "The best point of each cell; the stronger its colour the better, – has " +
        `none. A click opens it.${many.tier ? " Of the analytic tier, unless one is chosen." : ""}`));
    shows.push(draw);
  }

  function tierCharts() {
    if (data.agreement.length === 0) return;
    const place = element("figure", { class: "whole", "aria-label": "tiers side by side" });
    const text = element("p", {}), list = element("div", {});
    const draw = (which) => {
      const { metric, kendall_tau: tau, mean_absolute_error: error, swaps,
              points: count } = data.agreement[which];
      const swapped = new Set(swaps.flat());
      const rows = points.filter((point) => point.tier === "transaction" && point.status === "ok")
        .flatMap((point) => {
          const analytic = twinsOf(point).find((twin) => twin.tier === "analytic");
          if (analytic?.metrics[metric] === undefined) return [];
          return [{ index: point.index, x: analytic.metrics[metric], y: point.metrics[metric],
                    swapped: swapped.has(point.index),
                    note: `${settingsText(point)}: ${metric} ${figure(analytic.metrics[metric])} ` +
                      `analytic, ${figure(point.metrics[metric])} transaction` }];
        });
      text.textContent = `${format.count(count, "point")} in both tiers: Kendall's τ ` +
        `${tau.toFixed(3)}, mean absolute error ${percent(error, 2)}; ` +
        `${format.count(swaps.length, "pair")} ${swaps.length === 1 ? "has" : "have"} the other ` +
        "order.";
      chart(place, sweepCharts.tiers(rows, metric), { onClick: open });
      list.replaceChildren(...(swaps.length === 0 ? [] : [table([
        { title: "this point", text: ([a]) => settingsText(points[a]),
          sort: ([a]) => settingsText(points[a]) },
        { title: "and this one", text: ([, b]) => settingsText(points[b]),
          sort: ([, b]) => settingsText(points[b]) },
        { title: metric, numeric: true, hint: "transaction tier",
          text: ([a, b]) => `${figure(points[a].metrics[metric])} / ` +
                            figure(points[b].metrics[metric]),
          sort: ([a]) => points[a].metrics[metric] }],
        swaps, ([a]) => openPoint(a), 20)]));
    };
    section("tiers", "Tiers side by side",
      data.agreement.length > 1 ? element("div", { class: "tools" }, choice(Object.fromEntries(
        data.agreement.map(({ metric }, i) => [metric, () => draw(i)])))) : [],
      text, place, element("p", { class: "muted" }, "On the dashed line both tiers say the same. " +
        "Orange: contention changes its order with another point."), list);
    draw(0);
  }

  // --- tables

  const number = (title, hint, text, sort) => ({ title, hint, text, sort, numeric: true });

  function pointTable() {
    const columns = [
      { title: "point", hint: "place in the study", text: (point) => `${point.index + 1}`,
        sort: (point) => point.index },
      ...choices.map((axis) => ({ title: axis.title, numeric: true, sort: axis.of,
        text: (point) => (axis.of(point) === null ? "–" : axis.values[axis.of(point)]) })),
      ...(many.tier ? [{ title: "tier", text: (point) => point.tier,
                         sort: (point) => point.tier }] : []),
      { title: "status", text: (point) => (point.status !== "ok" ? point.status
          : point.front ? "front" : point.meets ? "ok" : "misses a constraint"),
        sort: (point) => (point.front ? "" : point.status) },
      ...figures.map(({ name, title, of }) => number(title, metricOf.get(name)?.formula ?? "",
        (point) => (of(point) === null ? "–" : figure(of(point))), of))];
    const node = table(columns, shown(), (point) => openPoint(point.index), 200);
    section("table", "All points", node,
      element("p", { class: "muted" }, "A click on a head sorts, one on a point opens it."));
    shows.push(() => node.show(shown()));
  }

  function reasons() {
    const groups = new Map();
    points.filter((point) => point.status !== "ok").forEach((point) => {
      groups.set(point.reason, [...(groups.get(point.reason) ?? []), point]);
    });
    if (groups.size === 0) return;
    section("reasons", "Points without figures", table([
      { title: "reason", text: ([reason]) => reason, sort: ([reason]) => reason },
      number("points", "", ([, list]) => thousands(list.length), ([, list]) => list.length),
      { title: "first of them", text: ([, list]) => settingsText(list[0]),
        sort: ([, list]) => settingsText(list[0]) }],
      [...groups].sort((a, b) => b[1].length - a[1].length),
      ([, list]) => openPoint(list[0].index), 100));
  }

  // --- one point

  function layersOf(point) {
    if (!point.layers) {
      return [element("p", { class: "muted" }, "No figures per layer here: run it alone, or see " +
        "`workbench results`.")];
    }
    const rows = data.layer_sets[point.layers.set].map((layer, index) => ({ ...layer, index }));
    const place = element("figure", { class: "whole", "aria-label": "cycles of the layers" });
    const { cycles } = point.layers.figures;
    if (cycles) requestAnimationFrame(() => chart(place, sweepCharts.layers(rows, cycles)));
    const columns = data.layer_metrics.filter(({ name }) => name in point.layers.figures);
    return [element("h3", {}, "Layers"), place, table([
      { title: "layer", text: (layer) => layer.name, sort: (layer) => layer.name },
      { title: "operation", text: (layer) => layer.op, sort: (layer) => layer.op },
      { title: "result", text: (layer) => layer.shape, sort: (layer) => layer.shape },
      ...columns.map(({ name, unit, formula }) => {
        const value = (layer) => point.layers.figures[name][layer.index];
        return number(unit && unit !== name ? `${name} [${unit}]` : name, formula,
                      (layer) => (value(layer) === null ? "–" : figure(value(layer))), value);
      })], rows, () => {})];
  }

  function openPoint(index) {
    const point = points[index];
    const list = shown();
    const place = list.indexOf(point);
    const step = place < 0 || list.length < 2 ? undefined
      : (by) => openPoint(list[(place + by + list.length) % list.length].index);
    const others = twinsOf(point).filter((twin) => twin !== point);
    openDetail(`point-${index}`, settingsText(point), [
      point.status === "ok" ? [] : element("p", { class: "warning" },
                                           `${point.status}: ${point.reason}`),
      page.facts([["network", point.network], ["machine", point.machine],
        ...Object.entries(point.settings), ["tier", point.tier],
        ["golden model", point.bit_exact === null ? "not compared"
          : point.bit_exact ? "bit-exact" : "different"],
        ["front", point.front ? "on it" : point.meets ? "behind it" : "misses a constraint"],
        ...data.metrics.filter(({ name }) => name in point.metrics)
          .map((metric) => [metric.name, valueText(point, metric)])]),
      ...others.map((twin) => element("p", {}, element("button", { type: "button", class: "link",
        onclick: () => openPoint(twin.index) }, `the same at the ${twin.tier} tier`))),
      point.run ? [element("p", { class: "muted" }, "Its run in full, simulated, with its page:"),
                   element("pre", { id: "run" }, `${point.run} --html run.html`)] : [],
      point.command ? [element("p", { class: "muted" }, "The point alone:"),
                       element("pre", {}, point.command)] : [],
      ...layersOf(point),
      element("p", { class: "muted" }, `key ${point.key}`)].flat(), step);
  }

  heads();
  totals();
  if (points.length > 0) {
    filters();
    frontChart();
    parallelChart();
    heatMap();
    tierCharts();
    pointTable();
    reasons();
    update();
  }
  page.openByAddress("point", points.length, openPoint);
})();
