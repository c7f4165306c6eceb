"use strict";
// Fills the table of devices. Whatever comes from data becomes a text node, never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = Object.fromEntries(data.columns.map((name, number) => [name, number]));
  const find = (id) => document.getElementById(id);
  const ROWS = 50;
  const SHOWN = [
    ["state", "state"], ["device", "device"], ["fleet", "fleet"], ["board", "board"], ["wave", "wave"],
    ["running", "runs"], ["wanted", "should run"], ["heard", "last heard"], ["crashes", "crashes"], ["why", "why"],
  ];
  const FIGURES = new Set(["wave", "crashes"]);
  const DIGESTS = new Set(["running", "wanted"]);
  const LABELS = { running: "runs", wanted: "should run", self_test: "self-test", confidence_mean: "mean confidence" };
  const short = (digest) => (digest ? digest.replace("sha256:", "").slice(0, 12) : "–");
  const time = (text) => (text ? text.replace("T", " ").replace("Z", " UTC") : "–");

  const value = (row, name) => (name === "heard" ? row[at.seen] ?? row[at.reported] : row[at[name]]);
  const devices = data.rows.map((row, number) => ({
    row,
    need: data.needs[number],
    words: row.filter((cell) => typeof cell === "string").join(" ").toLowerCase() + " " + (data.needs[number] ?? ""),
  }));
  devices.sort((one, other) => (one.need === undefined) - (other.need === undefined)); // who needs a person comes first
  const view = { sort: "", down: false, page: 0, found: devices };

  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const chip = (state) => {
    const made = element("span", undefined, "chip");
    made.append(element("i", undefined, "dot b-" + String(state).replace(/[^a-z]/g, "-")), String(state));
    return made;
  };

  const cell = (device, name) => {
    const found = name === "why" ? device.need ?? value(device.row, name) : value(device.row, name);
    if (name === "state") {
      const made = element("td");
      made.append(chip(found));
      return made;
    }
    if (DIGESTS.has(name)) return element("td", short(found), "digest");
    if (name === "heard") return element("td", time(found));
    if (FIGURES.has(name)) return element("td", found === null ? "–" : found.toLocaleString("en"), "figure");
    return element("td", found ?? "", name === "why" ? "text" : name === "device" ? "name" : "");
  };

  const draw = () => {
    const pages = Math.max(Math.ceil(view.found.length / ROWS), 1);
    view.page = Math.min(Math.max(view.page, 0), pages - 1);
    const rows = view.found.slice(view.page * ROWS, (view.page + 1) * ROWS).map((device) => {
      const made = element("tr");
      made.tabIndex = 0;
      made.append(...SHOWN.map(([name]) => cell(device, name)));
      made.addEventListener("click", () => show(device));
      made.addEventListener("keydown", (event) => event.key === "Enter" && show(device));
      return made;
    });
    find("table").tBodies[0].replaceChildren(...rows);
    find("found").textContent = view.found.length.toLocaleString("en") + " of " + devices.length.toLocaleString("en");
    find("where").textContent = "page " + (view.page + 1) + " of " + pages;
    find("before").disabled = view.page === 0;
    find("after").disabled = view.page === pages - 1;
  };

  const show = (device) => {
    const dialog = find("detail");
    dialog.querySelector("h3").textContent = device.row[at.device];
    const lines = data.columns.flatMap((name, number) => {
      const found = device.row[number];
      if (found === null || found === "" || name === "device") return [];
      return [element("dt", LABELS[name] ?? name.replace("_", " ")), element("dd", String(found))];
    });
    if (device.need) lines.unshift(element("dt", "needs a person"), element("dd", device.need));
    dialog.querySelector("dl").replaceChildren(...lines);
    dialog.showModal();
  };

  const compare = (one, other) => {
    const [a, b] = [value(one.row, view.sort), value(other.row, view.sort)];
    if (a === b) return 0;
    if (a === null || a === undefined || a === "") return 1; // what is not known comes last either way
    if (b === null || b === undefined || b === "") return -1;
    const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return view.down ? -order : order;
  };

  const choose = () => {
    const words = find("query").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = ["fleet", "board", "state"].map((name) => [at[name], find(name).value]).filter(([, text]) => text);
    view.found = devices.filter((device) =>
      wanted.every(([number, text]) => device.row[number] === text) &&
      (!find("people").checked || device.need !== undefined) &&
      words.every((word) => device.words.includes(word)));
    if (view.sort) view.found.sort(compare);
    view.page = 0;
    draw();
  };

  const heads = SHOWN.map(([name, label]) => {
    const made = element("th", label, FIGURES.has(name) ? "figure" : "");
    made.tabIndex = 0;
    const sort = () => {
      view.down = view.sort === name && !view.down;
      view.sort = name;
      for (const head of heads) head.removeAttribute("aria-sort");
      made.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      choose();
    };
    made.addEventListener("click", sort);
    made.addEventListener("keydown", (event) => event.key === "Enter" && sort());
    return made;
  });
  find("table").tHead.rows[0].append(...heads);
  for (const name of ["fleet", "board", "state"]) {
    const names = [...new Set(data.rows.map((row) => row[at[name]]))].sort();
    find(name).append(...names.map((text) => element("option", text)));
    find(name).addEventListener("change", choose);
  }
  find("query").addEventListener("input", choose);
  find("people").addEventListener("change", choose);
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("before").addEventListener("click", () => { view.page -= 1; draw(); });
  find("after").addEventListener("click", () => { view.page += 1; draw(); });
  find("theme").addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  });
  choose();
  document.body.dataset.ready = "yes";
})();
