// The page of `workbench retrain --html`: its data are those of --json (docs/retrain.md): {network,
// scheme, target, loss, images, held_out, steps, batch, validation: {images, labelled, float,
// not_trained, best}, test: the same or none, looks: [{step, training_loss, loss, top1}], scales: [{name, weights, power_of_two, per_channel, frozen}], path:
// [{step, log2_thresholds}]}.
"use strict";
(() => {
  const { data, main, element, section, format, chart, table, tile } = page;
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const { validation, test } = data;
  const scoreOf = (scores) => scores.labelled ? "top-1" : "agreement with the float network";
  const score = scoreOf(validation);
  const looks = data.looks, path = data.path;
  const lastStep = Math.max(1, data.steps);

  main.append(
    element("h1", {}, `Retraining of ${data.network}`),
    element("p", { class: "muted subtitle" }, `scheme ${data.scheme}, target ${data.target}, ` +
      `loss ${data.loss}: ${format.count(data.images, "image")}, ` +
      `${format.count(data.steps, "step")} of ${data.batch}`));
  section("totals", "Totals", element("div", { class: "tiles" },
    tile("float", `${score}, float`, percent(validation.float.top1), ""),
    tile("before", "not trained", percent(validation.not_trained.top1), ""),
    tile("best", "best", percent(validation.best.top1), `step ${validation.best.step}`),
    ...(test ? [tile("test", `trained, ${scoreOf(test)} of the test images`,
      percent(test.best.top1), `float ${percent(test.float.top1)}, not trained ` +
        percent(test.not_trained.top1))] : []),
    tile("golden", "codes that differ from golden's", format.thousands(data.differing_codes),
         `of ${format.thousands(data.compared_codes)}`)));

  const xScale = { name: "x", type: "linear", range: "width", nice: false, zero: false,
                   domain: [0, lastStep] };
  const xAxis = { scale: "x", orient: "bottom", title: "step", tickCount: 8 };

  // One line per series of rows {series, step, value, note}.
  const linesSpec = (rows, { title, colours, height, format: text, rules = [], width = 1.8 }) => ({
    height,
    data: [{ name: "rows", values: rows }, { name: "rules", values: rules }],
    scales: [xScale,
      { name: "y", type: "linear", range: "height", zero: false, nice: true,
        domain: { fields: [{ data: "rows", field: "value" }, { data: "rules", field: "value" }] } },
      { name: "colour", type: "ordinal", domain: Object.keys(colours),
        range: Object.values(colours) }],
    axes: [xAxis, { scale: "y", orient: "left", grid: true, tickCount: 6, format: text, title }],
    legends: [{ stroke: "colour", orient: "top", symbolType: "stroke" }],
    marks: [
      { type: "rule", from: { data: "rules" }, encode: { update: {
        x: { value: 0 }, x2: { signal: "width" }, y: { scale: "y", field: "value" },
        stroke: { value: "var(--muted)" }, strokeDash: { value: [4, 3] } } } },
      { type: "text", from: { data: "rules" }, encode: { update: {
        x: { signal: "width" }, y: { scale: "y", field: "value" }, dy: { value: -4 },
        align: { value: "right" }, text: { field: "name" }, fill: { value: "var(--muted)" } } } },
      { type: "group", from: { facet: { name: "line", data: "rows", groupby: "series" } }, marks: [
        { type: "line", from: { data: "line" }, encode: { update: {
          x: { scale: "x", field: "step" }, y: { scale: "y", field: "value" },
          stroke: { scale: "colour", field: "kind" }, strokeWidth: { value: width },
          strokeOpacity: { value: 0.85 }, tooltip: { field: "note" } } } }] },
      { type: "symbol", from: { data: "rows" }, encode: { update: {
        x: { scale: "x", field: "step" }, y: { scale: "y", field: "value" },
        size: { value: rows.length > 200 ? 10 : 28 }, opacity: { value: rows.length > 200 ? 0 : 1 },
        fill: { scale: "colour", field: "kind" }, tooltip: { field: "note" } } } }],
  });

  const row = (kind, step, value, note) => ({ series: kind, kind, step, value, note });
  const losses = looks.flatMap((look) => [
    row("training", look.step, look.training_loss,
        `training loss ${look.training_loss.toFixed(4)} up to step ${look.step}`),
    row("validation", look.step, look.loss,
        `validation loss ${look.loss.toFixed(4)} at step ${look.step}`)]);
  const lossPlace = element("figure", { class: "whole", "aria-label": "loss" });
  section("loss", "Loss", lossPlace);
  chart(lossPlace, linesSpec(losses, { title: "cross-entropy", height: 240, format: ".3f",
    colours: { training: "var(--muted)", validation: "var(--first)" } }));

  const scores = looks.map((look) => row(score, look.step, look.top1,
    `${percent(look.top1)} at step ${look.step}`));
  const scorePlace = element("figure", { class: "whole", "aria-label": "accuracy" });
  section("accuracy", "Accuracy", scorePlace);
  chart(scorePlace, linesSpec(scores, { title: score, height: 240, format: ".1%",
    colours: { [score]: "var(--second)" },
    rules: [{ name: "float", value: validation.float.top1 },
            { name: "not trained", value: validation.not_trained.top1 }] }));

  const scales = data.scales.map((scale, index) => ({ ...scale, index,
    kind: scale.weights ? "weights" : "activations",
    first: path[0].log2_thresholds[index], last: path[path.length - 1].log2_thresholds[index] }));
  const paths = scales.flatMap((scale) => path.map((place) => ({ series: scale.name,
    kind: scale.kind, step: place.step, value: place.log2_thresholds[scale.index],
    note: `${scale.name}${scale.per_channel ? " (mean of its channels)" : ""}` })));
  const pathPlace = element("figure", { class: "whole", "aria-label": "thresholds" });
  section("thresholds", "Paths of the thresholds", pathPlace);
  chart(pathPlace, linesSpec(paths, { title: "log2 of the threshold", height: 380, format: ".1f",
    width: 1.2, colours: { activations: "var(--first)", weights: "var(--second)" } }));

  const octaves = (scale) => Math.ceil(scale.last) - Math.ceil(scale.first);
  section("scales", "Thresholds", table([
    { title: "threshold", text: (one) => one.name, sort: (one) => one.name },
    { title: "of", text: (one) => one.kind, sort: (one) => one.kind },
    { title: "log2 before", numeric: true, text: (one) => one.first.toFixed(2),
      sort: (one) => one.first },
    { title: "log2 after", numeric: true, text: (one) => one.last.toFixed(2),
      sort: (one) => one.last },
    { title: "octaves moved", numeric: true, text: (one) => format.signed(octaves(one)),
      sort: octaves },
    { title: "frozen", text: (one) => (one.frozen ? "yes" : "–"), sort: (one) => one.frozen }],
  scales, () => {}));
})();
