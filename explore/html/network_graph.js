// The network as it was compiled, a box per layer, top to bottom: coloured by what takes most of a
// layer, by what runs it, or by the width of its codes. For run.js.
"use strict";
const networkGraph = (() => {
  const { element } = page;
  const kBox = { width: 176, height: 26 }, kStep = { x: 196, y: 44 };

  const svg = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // The row of each vertex: below all that lead to it. Edges that lead back (several nodes of one
  // layer) are left out of the count.
  function rowsOf({ vertices, edges }) {
    const rows = vertices.map(() => 0);
    const onward = edges.filter(([from, to]) => from < to).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    onward.forEach(([from, to]) => { rows[to] = Math.max(rows[to], rows[from] + 1); });
    return rows;
  }

  // The column of each vertex: that of the leftmost that leads to it, no two of a row in one.
  function columnsOf({ vertices, edges }, rows) {
    const before = vertices.map(() => []);
    edges.forEach(([from, to]) => before[to].push(from));
    const columns = vertices.map(() => 0);
    const byRow = new Map();
    rows.forEach((row, v) => byRow.set(row, [...(byRow.get(row) ?? []), v]));
    for (const row of [...byRow.keys()].sort((a, b) => a - b)) {
      const wanted = new Map(byRow.get(row).map((v) => {
        const above = before[v].filter((one) => rows[one] < row).map((one) => columns[one]);
        return [v, above.length > 0 ? Math.min(...above) : 0];
      }));
      let next = 0;
      for (const v of byRow.get(row).sort((a, b) => wanted.get(a) - wanted.get(b) || a - b)) {
        columns[v] = Math.max(next, wanted.get(v));
        next = columns[v] + 1;
      }
    }
    return columns;
  }

  // `taken`: places of boxes, as "row,column".
  function edgePath(from, to, taken) {
    const low = from.y + kBox.height;
    let free = true;
    for (let row = from.row + 1; row < to.row; ++row) free &&= !taken.has(`${row},${from.column}`);
    if (free || to.column !== from.column) {
      const [x1, x2] = [from.x + kBox.width / 2, to.x + kBox.width / 2];
      const bend = Math.max(10, Math.min(40, (to.y - low) / 2));
      return `M${x1},${low} C${x1},${low + bend} ${x2},${to.y - bend} ${x2},${to.y}`;
    }
    const [x, middle] = [from.x + kBox.width, kBox.height / 2];  // around what lies between
    const out = x + Math.min(18, 8 + 2 * (to.row - from.row));
    return `M${x},${from.y + middle} C${out},${from.y + middle} ${out},${to.y + middle} ` +
      `${x},${to.y + middle}`;
  }

  // `nameOf(vertex)`: as short as it can be; `colourOf(vertex)`: what its bar is coloured by.
  // Returns the node, with recolour(colourOf).
  function draw(graph, { nameOf, noteOf, colourOf, onClick }) {
    const rows = rowsOf(graph), columns = columnsOf(graph, rows);
    const places = graph.vertices.map((_, v) => ({ row: rows[v], column: columns[v],
      x: 8 + kStep.x * columns[v], y: 8 + kStep.y * rows[v] }));
    const width = 40 + kStep.x * (1 + Math.max(...columns)) - (kStep.x - kBox.width);
    const height = 16 + kStep.y * Math.max(...rows) + kBox.height;
    const bars = [];
    const boxes = graph.vertices.map((vertex, v) => {
      const { x, y } = places[v];
      const opens = vertex.layer >= 0;
      const bar = svg("rect", { x, y, width: 7, height: kBox.height, class: "bar" });
      bars.push(bar);
      const text = svg("text", { x: x + 14, y: y + kBox.height / 2, "dominant-baseline": "central" },
                       clipped(nameOf(vertex)));
      const attributes = opens
        ? { tabindex: 0, role: "button", "aria-label": noteOf(vertex), class: `vertex ${vertex.kind}` }
        : { class: `vertex ${vertex.kind}` };
      const node = svg("g", attributes, svg("title", {}, noteOf(vertex)),
                       svg("rect", { x, y, width: kBox.width, height: kBox.height,
                                     rx: opens ? 3 : kBox.height / 2 }), ...(opens ? [bar] : []), text);
      if (opens) {
        node.addEventListener("click", () => onClick(vertex.layer));
        node.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            onClick(vertex.layer);
          }
        });
      }
      return node;
    });
    const taken = new Set(places.map(({ row, column }) => `${row},${column}`));
    const lines = graph.edges.filter(([from, to]) => rows[from] < rows[to]).map(([from, to]) =>
      svg("path", { d: edgePath(places[from], places[to], taken), class: "edge" }));
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, ...lines,
                        ...boxes);
    const node = element("div", { class: "scrolls graph", tabindex: "0" }, picture);
    node.recolour = (next) => graph.vertices.forEach((vertex, v) => {
      bars[v].style.fill = vertex.layer >= 0 ? next(vertex) : "none";
    });
    node.recolour(colourOf);
    return node;
  }

  const clipped = (text) => (text.length <= 24 ? text : `${text.slice(0, 11)}…${text.slice(-12)}`);

  return { draw };
})();
