"use strict";
// Every text of the report is anybody's: it is set as text only, and never as markup.
const report = JSON.parse(document.getElementById("report").textContent);
// So many rows are drawn at first: more than a person reads, and few enough for a phone.
const DRAWN = 200;
const RANKS = ["critical", "high", "medium", "low"];

const clean = (value) => String(value ?? "").replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, " ");
const number = (value) => value.toLocaleString("en");
const order = new Intl.Collator("en");

function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) node.setAttribute(key, value);
  for (const child of children) node.append(child instanceof Node ? child : clean(child));
  return node;
}

const short = (text) => make("span", { class: "short" }, text);
const badge = (word) => make("span", { class: "badge " + word }, word);
const code = (text, kind) => make("code", kind ? { class: kind } : {}, text);
const day = (at) => (at ? make("time", { datetime: at, class: "short" }, at.slice(0, 10)) : "unknown");
const texts = (...values) => values.filter(Boolean).map(clean).join("\n").toLowerCase();

function compare(one, other) {
  return typeof one === "number" && typeof other === "number" ? one - other : order.compare(clean(one), clean(other));
}

// A table that can be sorted by each column, and is filtered by the form before it, if there is one.
function list(id, nouns, caption, columns, items, search) {
  const section = document.getElementById(id);
  if (!section) return;
  const status = section.querySelector(".status");
  const place = section.querySelector(".list");
  if (items.length === 0) {
    section.querySelector("form")?.remove();
    status.textContent = "None.";
    return;
  }
  const rows = items.map((item) => ({ item, text: search(item) }));
  const form = section.querySelector("form");
  let sorted = null;
  let all = false;

  const heads = columns.map((column) => {
    const button = make("button", { type: "button" }, column.title);
    const head = make("th", { role: "columnheader", scope: "col", "data-title": column.title }, button);
    if (column.number) head.className = "number";
    button.addEventListener("click", () => {
      sorted = { column, down: sorted?.column === column ? !sorted.down : Boolean(column.number) };
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      draw();
    });
    return head;
  });
  const body = make("tbody", { role: "rowgroup" });
  const more = make("button", { type: "button", class: "more" });
  more.addEventListener("click", () => {
    all = true;
    const first = body.rows.length;
    draw();
    // The button is gone: reading goes on where the new rows begin.
    body.rows[first]?.setAttribute("tabindex", "-1");
    body.rows[first]?.focus();
  });
  place.append(
    make("table", { role: "table" }, make("caption", {}, caption),
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)), body),
    more,
  );

  function wanted() {
    if (!form) return rows;
    const words = form.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const fields = [...form.querySelectorAll("select")].filter((field) => field.value);
    return rows.filter(({ item, text }) =>
      words.every((word) => text.includes(word)) && fields.every((field) => item[field.dataset.field] === field.value));
  }

  function cell(column, item, index) {
    const isName = index === columns.findIndex((other) => other.names);
    const node = make(isName ? "th" : "td", { role: isName ? "rowheader" : "cell", "data-label": column.title });
    if (isName) node.setAttribute("scope", "row");
    if (column.number) node.className = "number";
    const shown = (column.show ?? column.value)(item);
    // One child, so that the label before it stands beside all of it.
    node.append(make("div", {}, ...[typeof shown === "number" ? number(shown) : shown].flat()));
    return node;
  }

  function draw() {
    const found = wanted();
    if (sorted) {
      const sign = sorted.down ? -1 : 1;
      found.sort((one, other) => sign * compare(sorted.column.value(one.item), sorted.column.value(other.item)));
    }
    const drawn = all ? found : found.slice(0, DRAWN);
    body.replaceChildren(...drawn.map(({ item }) =>
      make("tr", { role: "row" }, ...columns.map((column, index) => cell(column, item, index)))));
    const which = found.length === rows.length ? "" : number(found.length) + " of ";
    const noun = nouns[rows.length === 1 ? 0 : 1];
    const rest = found.length - drawn.length;
    status.textContent = which + number(rows.length) + " " + noun + (rest > 0 ? ", the first " + number(drawn.length) + " shown" : "") + ".";
    more.textContent = "Show all " + number(found.length);
    more.hidden = rest === 0;
  }

  form?.addEventListener("input", draw);
  form?.addEventListener("submit", (event) => event.preventDefault());
  // The fields are empty only after this event.
  form?.addEventListener("reset", () => setTimeout(draw));
  draw();
}

const account = { title: "Account", value: (item) => item.accountID, show: (item) => short(item.accountID) };
const region = { title: "Region", value: (item) => item.region, show: (item) => short(item.region) };
const severity = { title: "Severity", value: (item) => RANKS.indexOf(item.severity), show: (item) => badge(item.severity) };
const check = { title: "Check", value: (item) => item.check, show: (item) => code(item.check, "short") };
const resource = { title: "Resource", value: (item) => item.resource, show: (item) => code(item.resource), names: true };
const what = { title: "What", value: (item) => item.what };
const searched = (item) =>
  texts(item.severity, item.check, item.accountID, item.region, item.resource, item.what, item.id, item.change, item.exemptReason);

// Findings of each account and region that count.
const counts = new Map();
for (const finding of report.findings) {
  if (finding.exemptUntil) continue;
  const key = finding.accountID + " " + finding.region;
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
const images = (count) => ({
  number: true,
  value: (scope) => (scope.images ? count(scope.images) : -1),
  show: (scope) => (scope.images ? count(scope.images) : "not read"),
});
const share = (of) => (of.total ? Math.floor((100 * (of.total - of.unencrypted)) / of.total) : 100);
const sum = (values) => Object.values(values).reduce((total, value) => total + value, 0);

list("scopes", ["account and region", "accounts and regions"], "Images by account and region", [
  { ...account, names: true },
  region,
  { title: "Images", ...images((of) => of.total) },
  { title: "Encrypted", ...images(share), show: (scope) => (scope.images ? share(scope.images) + " %" : "not read") },
  { title: "Unencrypted", ...images((of) => of.unencrypted) },
  { title: "Used", ...images((of) => of.used) },
  { title: "Unused", ...images((of) => of.unused) },
  { title: "Consumers", ...images(() => 0), value: (scope) => sum(scope.consumers),
    show: (scope) => (scope.images ? sum(scope.consumers) : "not read") },
  { title: "Findings", number: true, value: (scope) => counts.get(scope.accountID + " " + scope.region) ?? 0 },
], report.scopes, () => "");

const change = { title: "Change", value: (item) => item.change, show: (item) => (item.change === "new" ? badge("new") : short(item.change)) };
const findings = report.findings.filter((finding) => !finding.exemptUntil);
list("findings", ["finding", "findings"], "Findings, the worst first",
  [severity, check, account, region, resource, what, ...(report.since ? [change] : [])], findings, searched);
list("fixed", ["finding", "findings"], "Findings of the earlier report that are fixed",
  [severity, check, account, region, resource, what], report.fixed ?? [], searched);

const consumer = (user) =>
  user.kind + " " + user.id + (user.via ? " by " + user.via : "") + (user.owner ? " of " + user.owner : "");

function users(image) {
  if (image.consumers.length === 0) {
    return (image.doubts ?? []).map((doubt) => make("span", { class: "name quiet" }, doubt));
  }
  // A migration of a cluster names only some.
  const count = image.consumers.length + (image.consumersOmitted ?? 0);
  const noun = count === 1 ? " consumer" : " consumers";
  const details = make("details", {}, make("summary", {}, number(count) + noun));
  // Drawn when somebody looks: an image may have thousands.
  details.addEventListener("toggle", () => fill(details, image), { once: true });
  details.fill = () => fill(details, image);
  return details;
}

function fill(details, image) {
  if (details.querySelector("ul")) return;
  details.append(make("ul", {}, ...image.consumers.map((user) => make("li", {}, consumer(user)))));
}

list("images", ["image", "images"], "Images and what can launch them", [
  { title: "Image", names: true, value: (image) => image.name,
    show: (image) => [make("span", { class: "name" }, image.name), code(image.id, "short")] },
  account,
  region,
  { title: "Made", value: (image) => image.created ?? "", show: (image) => day(image.created) },
  { title: "Launched", value: (image) => image.lastLaunched ?? "", show: (image) => day(image.lastLaunched) },
  { title: "Encryption", value: (image) => image.encryption,
    show: (image) => (image.unencrypted ? badge("unencrypted") : short("encrypted")) },
  { title: "Use", value: (image) => image.usage, show: (image) => short(image.usage) },
  { title: "Used by", value: (image) => image.consumers.length, show: users },
], report.images.map((image) => ({ ...image, encryption: image.unencrypted ? "unencrypted" : "encrypted" })),
(image) => texts(image.id, image.name, image.accountID, image.region, ...image.consumers.map(consumer)));

list("exempt", ["exemption", "exemptions"], "Findings that do not count until a day", [
  { title: "Until", value: (item) => item.exemptUntil, show: (item) => day(item.exemptUntil) },
  { title: "Reason", value: (item) => item.exemptReason ?? "none given" },
  severity, check, account, region, resource, what,
], report.findings.filter((finding) => finding.exemptUntil), searched);

const unread = report.scopes.flatMap((scope) => [
  ...(scope.problem ? [{ ...scope, which: "images", message: scope.problem.reason + ": " + scope.problem.message }] : []),
  ...scope.unknown.map((unknown) => ({ ...scope, which: unknown.kind, id: unknown.id, message: unknown.message })),
]);
list("unread", ["thing", "things"], "Where nothing could be read, and what could not be read elsewhere: it is unknown", [
  { ...account, names: true }, region,
  { title: "What", value: (item) => item.which, show: (item) => [short(item.which), " ", item.id] },
  { title: "Why", value: (item) => item.message },
], unread, () => "");

// On paper nothing can be opened.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) {
    details.fill?.();
    details.open = true;
  }
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
