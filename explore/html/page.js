// What every report page uses: elements, number formats, charts by Vega, tables that sort, and one
// dialog for details. Text from a report becomes text nodes only, never markup.
"use strict";
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const vega = loadVega();
  const main = document.querySelector("main");
  // The address "#chart=ID" shows that section alone: pictures (--png) are taken of it.
  const alone = /^#chart=(\w+)$/.exec(location.hash)?.[1];
  document.body.classList.toggle("alone", alone !== undefined);

  // element("p", {class: "x", onclick: f}, "text", otherNode, [more])
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children.flat(Infinity));
    return node;
  }

  function section(id, title, ...children) {
    const node = element("section", { id, class: id === alone ? "shown" : undefined },
                         element("h2", {}, title), ...children);
    main.append(node);
    return node;
  }

  const format = {
    percent: (fraction, digits = 1) => `${(100 * fraction).toFixed(digits)} %`,
    signed: (value, digits = 1) =>
      (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(digits),
    thousands: (count) => count.toLocaleString("en-US"),
    significant: (value, digits = 4) => String(Number(value.toPrecision(digits))),
    count: (count, noun) => `${format.thousands(count)} ${noun}${count === 1 ? "" : "s"}`,
    // Three digits with a unit of thousands: 12.3k.
    short: (value) => {
      const size = Math.abs(value);
      const unit = [["G", 1e9], ["M", 1e6], ["k", 1e3]]
        .find(([, factor]) => size >= 0.9995 * factor);
      const digits = (number) => String(Number(number.toPrecision(3)));
      return unit ? `${digits(value / unit[1])}${unit[0]}` : digits(value);
    },
    // A figure that may be a count: whole ones exactly.
    figure: (value) => (Number.isInteger(value) ? value.toLocaleString("en-US")
                                                : String(Number(value.toPrecision(5)))),
    // Of 2^10 and so on, as the command line prints them.
    bytes: (count) => {
      const unit = [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]]
        .find(([, size]) => count >= size);
      return unit ? `${(count / unit[1]).toPrecision(3)} ${unit[0]}`
                  : `${format.thousands(count)} B`;
    },
  };

  // Colours are variables of page.css: the charts follow light, dark and paper without a redraw.
  const chartConfig = {
    background: null,
    font: "system-ui, sans-serif",
    axis: {
      labelColor: "var(--muted)", titleColor: "var(--muted)", gridColor: "var(--line)",
      domainColor: "var(--line)", tickColor: "var(--line)", labelFontSize: 12, titleFontSize: 12,
      titleFontWeight: "normal", labelFont: "system-ui, sans-serif",
      titleFont: "system-ui, sans-serif",
    },
    legend: { labelColor: "var(--ink)", titleColor: "var(--muted)", labelFontSize: 12 },
    text: { fill: "var(--ink)", fontSize: 12, font: "system-ui, sans-serif" },
  };

  // Draws `spec` (a Vega specification without its width) as wide as `container`, also after the
  // window was resized; a chart that was there before is gone. The spec may use the signal
  // `available`: the container's width. onClick is given the datum that was hit.
  function chart(container, spec, { onClick } = {}) {
    const available = Math.max(container.clientWidth, 240);
    const signals = [{ name: "available", value: available }, ...(spec.signals ?? [])];
    const full = { padding: 4, autosize: { type: "fit-x", contains: "padding" }, ...spec, signals,
                   width: available };
    remove(container);
    const view = new vega.View(vega.parse(full, chartConfig),
                               { renderer: "svg", container, hover: true });
    if (onClick) {
      view.addEventListener("click", (event, item) => item && item.datum && onClick(item.datum));
    }
    view.run();
    const observer = new ResizeObserver(() => resize(view, container, Infinity));
    observer.observe(container);
    charts.set(view, { container, observer });
    return view;
  }

  // The chart that was drawn in it before.
  function remove(container) {
    container.replaceChildren();
    charts.forEach((old, view) => {
      if (old.container !== container) return;
      old.observer.disconnect();
      view.finalize();
      charts.delete(view);
    });
  }

  // On paper, letters would shrink with a chart that is wider than the sheet.
  const charts = new Map();  // view -> {container, observer}
  const kSheetWidth = 680;
  const drawFor = (limit) => charts.forEach(({ container }, view) => {
    if (!container.isConnected) charts.delete(view);
    else if (container.clientWidth > limit || limit === Infinity) resize(view, container, limit);
  });
  window.addEventListener("beforeprint", () => drawFor(kSheetWidth));
  window.addEventListener("afterprint", () => drawFor(Infinity));

  function resize(view, container, limit) {
    const width = Math.min(Math.max(container.clientWidth, 240), limit);
    if (container.clientWidth > 0 && width !== view.signal("available")) {
      view.signal("available", width).width(width).run();
    }
  }

  // choice({text: action, ...}): one of them is on, the first to begin with.
  function choice(actions) {
    const buttons = Object.entries(actions).map(([text, action], i) => element("button", {
      type: "button", "aria-pressed": String(i === 0), onclick: (event) => {
        buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === event.target)));
        action();
      } }, text));
    return element("div", { class: "switch", role: "group" }, buttons);
  }

  // One of some texts; action(index) when another is chosen.
  function select(label, options, action, first = 0) {
    const node = element("select", { onchange: () => action(node.selectedIndex) },
      options.map((text, i) => element("option", { selected: i === first ? "" : undefined },
                                       text)));
    return element("label", {}, label, node);
  }

  // columns: {title, hint, text(row), sort(row), numeric, long}; `sort` gives a number or a string,
  // null being last; of a `long` text that has no room the rest is its hint. A click on a head
  // sorts, one on a row calls onClick(row); the first cell is what the keyboard reaches. A table
  // that is longer than `shown` rows says so and shows more on request. The node's own `show(rows)`
  // puts other rows in, in the order chosen.
  function table(columns, rows, onClick, shown = 500) {
    const body = element("tbody");
    const rest = element("p", { class: "rest" });
    let order = (ordered) => ordered;
    const fill = (limit = shown) => {
      const ordered = order(rows);
      body.replaceChildren(...ordered.slice(0, limit).map((row) => tableRow(columns, row,
                                                                            onClick)));
      const left = ordered.length - limit;
      rest.replaceChildren(...(left > 0 ? [element("button", {
        type: "button", onclick: () => fill(Infinity) },
        `${format.count(left, "row")} more: show all`)] : []));
    };
    const heads = columns.map((column) => element("th", {
      scope: "col", class: column.numeric ? "numeric" : undefined, title: column.hint },
      element("button", { type: "button", onclick: () => sortBy(column) }, column.title)));
    const sortBy = (column) => {
      const head = heads[columns.indexOf(column)];
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      order = (unordered) => [...unordered].sort((a, b) => compare(column.sort(a), column.sort(b),
                                                                   direction));
      fill();
    };
    fill();
    const wide = columns.length > 12 ? "scrolls many" : "scrolls";
    const node = element("div", {}, element("div", { class: wide, tabindex: "0" },
      element("table", {}, element("thead", {}, element("tr", {}, heads)), body)), rest);
    node.show = (others) => { rows = others; fill(); };
    return node;
  }

  // A table of two columns, for facts: [[name, value], ...].
  const facts = (pairs) => element("dl", {}, pairs.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));

  // Names as the shortest ends of their paths that tell them apart: a map.
  function shortNames(names) {
    const all = [...new Set(names)];
    const end = (name, parts) => name.split("/").slice(-parts).join("/");
    const most = Math.max(1, ...all.map((name) => name.split("/").length));
    const short = new Map();
    for (let parts = 1; parts <= most; ++parts) {
      const counts = new Map();
      all.forEach((name) => counts.set(end(name, parts), (counts.get(end(name, parts)) ?? 0) + 1));
      all.forEach((name) => {
        if (!short.has(name) && counts.get(end(name, parts)) === 1) short.set(name, end(name, parts));
      });
    }
    all.forEach((name) => { if (!short.has(name)) short.set(name, name); });
    return short;
  }

  // A figure of the top of a page: lines of text below a title and a large figure.
  const tile = (id, title, figure, ...lines) => element("div",
    { class: lines.length > 1 ? "tile wide" : "tile", id },
    element("div", { class: "muted" }, title), element("div", { class: "figure" }, figure),
    lines.map((line) => element("div", { class: "muted" }, line)));

  // Names beside patches of their colours: [[text, colour], ...].
  const legend = (entries) => element("p", { class: "muted legend" }, entries.map(
    ([text, colour]) => element("span", {}, element("span", {
      class: "patch", style: `background: ${colour}` }), text)));

  function compare(a, b, direction) {
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (typeof a === "string" ? a.localeCompare(b) : a - b);
  }

  function tableRow(columns, row, onClick) {
    return element("tr", { onclick: () => onClick(row) }, columns.map((column, i) => {
      const text = column.text(row);
      return i === 0 ? element("th", { scope: "row" }, element("button", { type: "button" }, text))
                     : element("td", column.long ? { class: "long", title: text }
                                                 : { class: column.numeric ? "numeric" : undefined },
                               text);
    }));
  }

  // The dialog: one for all details. `anchor` goes into the address, so that a link opens it.
  const dialog = element("dialog", { id: "detail" });
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.replaceChildren();
    history.replaceState(null, "", location.pathname + location.search);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

  // `step`: called with -1 or +1 for the neighbours, by the buttons or the arrow keys; without it
  // there are none.
  let stepFrom = () => {};
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") stepFrom(-1);
    if (event.key === "ArrowRight") stepFrom(1);
  });
  function openDetail(anchor, title, contents, step) {
    stepFrom = step ?? (() => {});
    const focused = document.activeElement.getAttribute("aria-label");  // one of ours, or none
    const steps = step ? [["‹", "previous", () => step(-1)], ["›", "next", () => step(1)]] : [];
    const buttons = [...steps, ["×", "close", () => dialog.close()]].map(
      ([text, label, action]) => element("button", {
        type: "button", "aria-label": label, title: label, onclick: action }, text));
    dialog.replaceChildren(
      element("header", {}, element("h2", { tabindex: "-1", autofocus: "" }, title),
              element("nav", {}, buttons)),
      ...contents);
    if (!dialog.open) dialog.showModal();
    else buttons.find((button) => button.getAttribute("aria-label") === focused)?.focus();
    dialog.scrollTop = 0;
    history.replaceState(null, "", `#${anchor}`);
  }

  // Details by address: "#layer-3" calls open(3), now and whenever the address changes.
  function openByAddress(word, count, open) {
    const follow = () => {
      const match = new RegExp(`^#${word}-(\\d+)$`).exec(location.hash);
      if (match && Number(match[1]) < count) open(Number(match[1]));
    };
    follow();
    window.addEventListener("hashchange", follow);
  }

  return { data, main, element, section, format, chart, choice, select, table, facts, tile, legend,
           shortNames, openDetail, openByAddress };
})();
