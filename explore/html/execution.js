// The page of `workbench execute --html`: its data are those of --json (docs/detailed-tier.md):
// {program, machine, exit_code, cycles, cores: [causes], functions: [{name, cores, instructions}],
// lines: [{file, line, text, causes}]}, where causes are cycles and what they were spent on.
"use strict";
(() => {
  const { data, main, element, section, format, table, tile } = page;
  const { figure } = format;
  const causes = ["load_use", "jump", "arithmetic", "conflict", "memory", "misaligned", "branch",
                  "target", "fetch", "queue", "barrier", "event"];

  // Of several cores together.
  function sum(parts) {
    const all = { cycles: 0, instructions: 0 };
    for (const part of parts) {
      for (const key of ["cycles", "instructions", ...causes]) {
        all[key] = (all[key] || 0) + part[key];
      }
    }
    return all;
  }
  function largest(spent) {
    return causes.filter((cause) => 100 * spent[cause] >= spent.cycles && spent[cause] > 0)
      .sort((a, b) => spent[b] - spent[a])
      .map((cause) => `${cause} ${(100 * spent[cause] / spent.cycles).toFixed(1)} %`).join(", ");
  }
  const all = sum(data.cores);
  const share = (spent) => `${(100 * spent.cycles / Math.max(1, all.cycles)).toFixed(1)} %`;
  const figures = (of) => [
    { title: "cycles", numeric: true, text: (one) => figure(of(one).cycles),
      sort: (one) => of(one).cycles },
    { title: "of all", numeric: true, text: (one) => share(of(one)),
      sort: (one) => of(one).cycles },
    { title: "instructions", numeric: true, text: (one) => figure(of(one).instructions),
      sort: (one) => of(one).instructions },
    { title: "beside instructions", long: true, text: (one) => largest(of(one)),
      sort: (one) => of(one).cycles - of(one).instructions }];
  // Cycles that a faster program would save; cores asleep wait for others.
  const awake = (spent) => spent.cycles - spent.barrier - spent.event;
  const byCycles = (rows, of) => [...rows].sort((a, b) => awake(of(b)) - awake(of(a)));

  main.append(
    element("h1", {}, `${data.program} on ${data.machine}`),
    element("p", { class: "muted subtitle" }, "Cycles of all cores together, the fabric " +
      "controller's with them; asleep at the event unit is barrier and event."));
  section("totals", "Totals", element("div", { class: "tiles" }, [
    tile("cycles", "cycles", figure(data.cycles), "from the first instruction to the last"),
    tile("instructions", "instructions", figure(all.instructions), "of all cores"),
    tile("exit", "exit code", String(data.exit_code), "")]));

  const lines = data.lines || [];
  if (lines.length > 0) {
    section("lines", "Source lines", table([
      { title: "line", text: (one) => `${one.file.split("/").pop()}:${one.line}`,
        sort: (one) => `${one.file}:${String(one.line).padStart(6, "0")}` },
      { title: "source", long: true, text: (one) => one.text, sort: (one) => one.text },
      ...figures((one) => one)], byCycles(lines, (one) => one).slice(0, 400), () => {}));
  }
  const functions = data.functions.map((one) => ({ name: one.name, spent: sum(one.cores) }));
  section("functions", "Functions", table([
    { title: "function", text: (one) => one.name, sort: (one) => one.name },
    ...figures((one) => one.spent)], byCycles(functions, (one) => one.spent), () => {}));
  section("cores", "Cores", table([
    { title: "core", text: (one) => one.core, sort: (one) => one.core },
    ...figures((one) => one)], data.cores, () => {}));
})();
