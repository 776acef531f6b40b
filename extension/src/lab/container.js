// What Jupyter loads: a container as module federation wants it, made by hand, because all of it that
// is needed is to find the packages that Jupyter shares. `bundle` is the extension as a CommonJS
// module, `wanted` the packages that it requires.
(bundle, wanted) => {
  let scope = null;
  let exports = null;
  const base = document.currentScript.src;

  const older = (a, b) => {
    const [one, other] = [a, b].map((each) => each.split(/[.-]/).map(Number));
    const place = one.findIndex((part, i) => part !== other[i]);
    return place >= 0 && one[place] < other[place];
  };
  // There is one of each: the one that is in use already, else the newest.
  const shared = async (name) => {
    const versions = scope[name] ?? {};
    const chosen = Object.keys(versions).reduce(
      (best, each) => (best === null || (!versions[best].loaded && older(best, each)) ? each : best),
      null,
    );
    if (chosen === null) throw new Error(`maasnb: this Jupyter has no ${name}; JupyterLab 4.4 or newer is needed.`);
    return [name, (await versions[chosen].get())()];
  };
  const load = async () => {
    const modules = new Map(await Promise.all(wanted.map(shared)));
    const module = { exports: {} };
    bundle((name) => modules.get(name), module, module.exports, base);
    return module.exports;
  };
  return {
    init: (given) => {
      scope = given;
    },
    get: async (name) => {
      if (name !== "./extension") throw new Error(`maasnb: there is no module ${name}.`);
      exports ??= load();
      const found = await exports;
      return () => found;
    },
  };
}
