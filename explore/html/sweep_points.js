// The points of a sweep as its page sees them: what can be an axis, how a point is called, which
// points a filter chooses. An axis is as sweep_charts.js says.
"use strict";
const sweepPoints = (() => {
  const { data, format } = page;
  const { figure } = format;
  const points = data.points.map((point, index) => ({ ...point, index }));
  const many = { network: new Set(points.map((point) => point.network)).size > 1,
                 machine: new Set(points.map((point) => point.machine)).size > 1,
                 tier: new Set(points.map((point) => point.tier)).size > 1 };
  const sign = { lower: 1, higher: -1, neither: 0 };
  const metricOf = new Map(data.metrics.map((metric) => [metric.name, metric]));

  const shortNetwork = page.shortNames(data.networks), shortMachine = page.shortNames(data.machines);
  const settingsText = (point) => [...(many.network ? [shortNetwork.get(point.network)] : []),
    ...(many.machine ? [shortMachine.get(point.machine)] : []),
    ...data.parameters.filter((name) => name in point.settings)
      .map((name) => `${name}=${point.settings[name]}`)].join(", ") || point.network;
  const valueText = (point, { name, unit }) => (name in point.metrics
    ? `${figure(point.metrics[name])}${unit ? ` ${unit}` : ""}` : "–");
  points.forEach((point) => {
    point.note = `${settingsText(point)}: ` + (point.status === "ok"
      ? data.objectives.map(({ metric }) => `${metric} ${valueText(point, metricOf.get(metric) ??
          { name: metric })}`).join(", ") + (many.tier ? ` (${point.tier})` : "")
      : `${point.status}: ${point.reason}`);
  });
  const twins = new Map();  // the same question at any tier
  const question = (point) => JSON.stringify([point.network, point.machine, point.settings]);
  points.forEach((point) => {
    const key = question(point);
    twins.set(key, [...(twins.get(key) ?? []), point]);
  });
  const twinsOf = (point) => twins.get(question(point));

  // "16k" as parameters read it; null: no number.
  function numeric(text) {
    const match = /^([-+]?[\d.]+(?:e[-+]?\d+)?)([kM]?)$/.exec(text ?? "");
    const value = match ? Number(match[1]) * { "": 1, k: 1024, M: 1048576 }[match[2]] : NaN;
    return Number.isNaN(value) ? null : value;
  }

  function choiceAxis(title, valueOf) {
    const values = [...new Set(points.map(valueOf).filter((value) => value !== undefined))];
    if (values.every((value) => numeric(value) !== null)) {
      values.sort((a, b) => numeric(a) - numeric(b));
    }
    return { title, values, of: (point) => {
      const index = values.indexOf(valueOf(point));
      return index < 0 ? null : index;
    } };
  }
  const choices = [
    ...(many.network ? [choiceAxis("network", (point) => shortNetwork.get(point.network))] : []),
    ...(many.machine ? [choiceAxis("machine", (point) => shortMachine.get(point.machine))] : []),
    ...data.parameters.map((name) => choiceAxis(name, (point) => point.settings[name]))];
  const metricAxis = ({ name, unit, better }) => ({ name,
    title: unit && unit !== name ? `${name} [${unit}]` : name,
    sign: sign[better], of: (point) => point.metrics[name] ?? null });
  const objectives = data.objectives.map(({ metric, better }) => ({
    ...metricAxis(metricOf.get(metric) ?? { name: metric, unit: "" }), sign: sign[better] }));
  const others = data.metrics.filter(({ name }) =>
    !data.objectives.some(({ metric }) => metric === name)).map(metricAxis);

  // "cores>=4 l1=16k conv": all words must hold; a comparison of a parameter or figure, or a text.
  function matches(point, words) {
    return words.every((word) => {
      const match = /^([\w.-]+?)(<=|>=|!=|=|<|>)(.+)$/.exec(word);
      if (!match) return point.note.toLowerCase().includes(word.toLowerCase());
      const [, name, operator, wanted] = match;
      const found = name in point.settings ? point.settings[name]
        : point.metrics[name] ?? point[name];
      if (found === undefined) return false;
      const [a, b] = [numeric(String(found)), numeric(wanted)];
      const order = a !== null && b !== null ? a - b : String(found).localeCompare(wanted);
      return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0,
               "=": order === 0, "!=": order !== 0 }[operator];
    });
  }

  return { points, many, metricOf, settingsText, valueText, twinsOf, choices, objectives, others,
           figures: [...objectives, ...others], matches };
})();
