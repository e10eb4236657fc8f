(() => {
  "use strict";
  const MOST = 100;
  const byId = (id) => document.getElementById(id);
  let people = [], steps = [];

  const text = (tag, content, name) => {
    const made = document.createElement(tag);
    made.textContent = content;
    if (name) made.className = name;
    return made;
  };

  const cell = (head, content, name) => {
    const made = text("td", content, name);
    made.dataset.head = head;
    return made;
  };

  function row(person) {
    const line = document.createElement("tr");
    const head = text("th", String(person.id), "number");
    head.scope = "row";
    const found = document.createElement("td");
    found.dataset.head = "found";
    for (const problem of person.problems) found.append(text("span", problem, "problem"));
    if (!person.problems.length) {
      found.textContent = person.left.length ? "not done: " + person.left.map((n) => steps[n]).join(", ") : "done in every step";
    }
    line.append(
      head, cell("name", person.name || "–"), cell("phone", person.phone || "–"),
      cell("account", person.account || "–", "address"),
      cell("gift", person.gift === undefined ? "–" : person.gift.toLocaleString("en"), "number"), found,
    );
    return line;
  }

  const has = (person, word) => /^#\d+$/.test(word) ? person.id === Number(word.slice(1)) : person.text.includes(word);

  function search() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const only = byId("only").checked;
    const found = [];
    let number = 0;
    for (const person of people) {
      if (only && !person.problems.length) continue;
      if (!words.every((word) => has(person, word))) continue;
      if (++number <= MOST) found.push(row(person));
    }
    byId("people-rows").replaceChildren(...found);
    byId("found").textContent = number > MOST ? `${number.toLocaleString("en")} people; the first ${MOST} are shown`
      : number === 1 ? "1 person" : `${number.toLocaleString("en")} people`;
  }

  function prepare() {
    const held = byId("people-data");
    if (!held) return;
    const data = JSON.parse(held.textContent);
    steps = data.steps;
    people = data.people;
    for (const person of people) {
      person.text = [person.id, person.name, person.phone, person.account, ...person.problems,
        ...person.left.map((n) => steps[n])].join(" ").toLowerCase();
    }
    byId("search-form").hidden = false;
    if (byId("search").value || byId("only").checked) search();
  }

  document.addEventListener("input", (event) => {
    if (event.target.id === "search" || event.target.id === "only") search();
  });
  document.addEventListener("submit", (event) => event.preventDefault());

  const every = Number(document.body.dataset.live);
  let tag = document.body.dataset.tag;

  function replace(old, part) {
    const data = part.querySelector("#people-data");
    if (data && old.contains(document.activeElement)) {  // somebody types: the field stays
      old.querySelector("#people-data").textContent = data.textContent;
      return;
    }
    const typed = byId("search")?.value, only = byId("only")?.checked;
    for (const detail of part.querySelectorAll("details")) detail.open = !!old.querySelector("details")?.open;
    old.replaceWith(part);
    if (data && typed !== undefined) {
      byId("search").value = typed;
      byId("only").checked = only;
    }
  }

  function update(page) {
    const next = new DOMParser().parseFromString(page, "text/html");
    document.title = next.title;
    const parts = [...next.querySelectorAll("[data-part]")];
    const names = new Set(parts.map((part) => part.dataset.part));
    const there = (id) => document.querySelector(`[data-part="${id}"]`);
    let last = null;
    for (const part of parts) {
      const old = there(part.dataset.part);
      if (!old && last) last.after(part);
      else if (!old) document.querySelector("main").prepend(part);
      else if (old.innerHTML !== part.innerHTML || old.className !== part.className) replace(old, part);
      last = there(part.dataset.part);
    }
    prepare();
    for (const old of document.querySelectorAll("[data-part]")) {
      if (!names.has(old.dataset.part)) old.remove();
    }
  }

  async function ask() {
    let again = every;
    try {
      const answer = await fetch(location.pathname, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.ok) {
        tag = answer.headers.get("ETag");
        update(await answer.text());
      } else if (answer.status !== 304) throw new Error(answer.status);
      byId("away").hidden = true;
    } catch {
      byId("away").hidden = false;
      again = every * 3;
    }
    setTimeout(ask, again * 1000);
  }

  prepare();
  if (every) setTimeout(ask, every * 1000);
})();
