// Vega as Debian ships it is a set of modules for `require`; this loads them within one page and
// puts together what the package "vega" exports of them, as its index.js does.
"use strict";
const vegaModules = {};  // name -> function (exports, require, module), filled by the page

function loadVega() {
  const loaded = {};
  const load = (name) => {
    if (!(name in loaded)) {
      const module = { exports: {} };
      loaded[name] = module.exports;
      vegaModules[name](module.exports, load, module);
    }
    return loaded[name];
  };
  Object.assign(load("vega-dataflow").transforms, load("vega-transforms"),
                load("vega-view-transforms"), load("vega-encode"));
  return { parse: load("vega-parser").parse, View: load("vega-view").View };
}
