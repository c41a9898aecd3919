// Scan page (S2): starts scans, shows the pages, arranges them. The session in the address is stored on the server; the
// server renders the pane again after each change, one request at a time.

import { refresh as entered } from "./add.js";
import { ask } from "./archive.js";
import { fill, pause, say, shown } from "./parts.js";

const POLL_MS = 500;
const LATE_POLLS = 6; // after Stop a sheet may still be in the scanner
const PARTS = ["scan-device", "scan-state", "scan-pages", "scan-codes", "rail"];
const ABOUT = ["about", "details", "who-band"];
const THEN = "dossier-scan-then";
const ZOOMS = [1, 1.5, 2, 3];
const NOTHING = { session: "", page: "", pages: "", kept: "", asks: "", sided: "" };

let root; // the pane, present only for the source Scan page
let form;
let acting = Promise.resolve();
let watching = false;
let zoom = 1;
let turn = Promise.resolve();

document.addEventListener("swapped", begin);
document.addEventListener("click", clicked);
document.addEventListener("change", (event) => root?.contains(event.target) && event.target.name === "device" && refresh());
document.addEventListener("dragstart", lift);
document.addEventListener("dragover", hover);
document.addEventListener("dragend", () => hover({}));
document.addEventListener("drop", drop);

function begin() {
  const pane = document.getElementById("scan");
  if (pane === root) return;
  root = pane;
  form = pane?.closest("form");
  if (!pane) return;
  for (const button of document.querySelectorAll("#alert [data-anyway]")) button.hidden = false;
  watch();
}

// -- state --------------------------------------------------------------------------------------------------------

const field = (name) => form.elements[name]?.value ?? "";
const path = (step = "") => `/v1/scan-sessions/${field("session")}${step}`;
const thumbs = () => [...root.querySelectorAll("#scan-strip [data-n]")];
const pages = () => thumbs().map((one) => ({ n: Number(one.dataset.n), sha256: one.dataset.sha }));
const isScanning = () => root.querySelector("[data-act=stop]") !== null;
const numbers = (text) => text.split(",").filter(Boolean).map(Number);

/** Loads the pane with these fields changed; one load after the other, so that the result is current on return. */
function refresh(changes = {}, parts = PARTS) {
  turn = turn.then(async () => {
    const before = thumbs().length;
    await entered(changes, parts);
    if (thumbs().length > before && isScanning()) say(word("came", thumbs().length));
  });
  return turn;
}

const word = (name, number) => root.dataset[name].replace("{number}", number);

// -- scanning -----------------------------------------------------------------------------------------------------

async function watch(late = 0) {
  if (watching) return;
  watching = true;
  for (let left = late; isScanning() || left > 0; left -= isScanning() ? 0 : 1) {
    await pause(POLL_MS);
    if (!root || !field("session")) break;
    const { ok, body } = await ask("GET", path());
    if (!ok) await refresh();
    else if (body.version > field("version")) await follow(body);
  }
  watching = false;
  if (root && !isScanning() && awaited().session === field("session")) await seenLate();
}

/** Loads the pane for the current session. */
const follow = (session) => (session.state === "scanning" ? refresh() : ended(session));

/** What the pages of a pass are for, stored until they are in place. */
const awaited = () => JSON.parse(sessionStorage.getItem(THEN) ?? "{}");

/** What the pass that just ended was for. */
async function ended(session) {
  const then = awaited();
  sessionStorage.removeItem(THEN);
  const fresh = then.session === session.id ? session.pages.slice(then.before) : [];
  if (fresh.length === 0) await refresh();
  else if (then.what === "rescan") await replace(session, fresh, then);
  else if (then.what === "sides") await collate(then.backs);
  else await refresh({ page: fresh[0].n });
  say(word("done", thumbs().length));
  if (document.activeElement === document.body) (shown("[data-act=use]") ?? document.getElementById("scan-code"))?.focus();
}

/** Moves the new pages behind the replaced page before removing it, so that no page is missing in between. */
async function replace(session, fresh, { n, sha256 }) {
  const at = session.pages.findIndex((one) => one.n === n && one.sha256 === sha256);
  if (at < 0) return refresh({ page: fresh[0].n });
  let now = session;
  for (const [turn, one] of fresh.entries()) now = (await arrange(one.n, "move", { to: at + 2 + turn }, now.version)) ?? now;
  return arranged(await arrange(now.pages[at].n, "remove", {}, now.version), at + 1);
}

async function collate(backs) {
  const { ok, body } = await ask("POST", path("/collate"), { body: { backs } });
  await refresh({ pages: "", sided: ok ? backs : "" });
  if (!ok) trouble(body);
}

// -- buttons ------------------------------------------------------------------------------------------------------

function clicked(event) {
  const pressed = event.target.closest?.("#scan [data-act], #alert [data-anyway]");
  if (!root || !pressed || event.defaultPrevented) return;
  event.preventDefault();
  after(async () => {
    const control = pressed.isConnected ? pressed : sameAs(pressed);
    if (control && control.getAttribute("aria-disabled") !== "true") await acts[control.dataset.act ?? "anyway"](control);
  });
}

/** Runs one action after the other, so that a second press of Yes finds no question. */
function after(act) {
  acting = acting.then(act, act);
}

function sameAs({ id, value, dataset }) {
  const all = [...(root?.querySelectorAll(`[data-act="${dataset.act}"]`) ?? [])];
  return all.find((one) => one.id === id && one.value === value);
}

const acts = {
  async begin() {
    const [source, scanner] = field("device").split(/~(.*)/);
    const { ok, body } = await ask("POST", "/v1/scan-sessions", { body: { scanner, source, profile: field("profile") } });
    if (!ok) return failed(body);
    await refresh({ ...NOTHING, session: body.id });
    return followed();
  },
  async yes() {
    const what = field("asks");
    const backs = form.elements.backs?.value;
    return scan(what === "first" ? {} : { what, backs, before: thumbs().length, n: Number(field("page")), sha256: shaOf(field("page")) });
  },
  async no() {
    const opener = field("asks");
    if (opener === "first") return discard();
    await refresh({ asks: "" });
    return root.querySelector(`[data-act="${opener}"]`)?.focus();
  },
  async add() {
    if (form.elements.device.value.startsWith("flatbed")) return question("add");
    return scan({ what: "add", before: thumbs().length });
  },
  rescan: () => question("rescan"),
  sides: () => question("sides"),
  remove: () => question("remove"),
  discard: () => question("discard"),
  "discard-yes": () => discard(),
  "remove-yes": () => remove([Number(field("page"))]),
  "remove-blank": ({ value }) => remove(numbers(value)),
  "keep-blank": ({ value }) => refresh({ kept: [field("kept"), ...numbers(value).map(shaOf)].filter(Boolean).join(",") }),
  async stop() {
    await ask("POST", path("/stop"));
    await refresh();
    watch(LATE_POLLS);
  },
  look: (link) => refresh({ page: link.parentElement.dataset.n }),
  before: () => look(-1),
  after: () => look(1),
  rotate: async () => arranged(await arrange(field("page"), "rotate", { degrees: 90 })),
  left: () => move(field("page"), place(field("page")) - 1),
  right: () => move(field("page"), place(field("page")) + 1),
  smaller: async () => size(ZOOMS.findLast((step) => step < zoom) ?? 1),
  larger: async () => size(ZOOMS.find((step) => step > zoom) ?? zoom),
  fit: async () => size(1),
  take: ({ value }) => refresh({ pages: value, page: numbers(value)[0] || "" }),
  toggle: () => refresh({ pages: toggled(Number(field("page"))) }),
  resort: ({ value }) => collate(value),
  async profile({ value }) {
    form.elements.profile.value = value;
    for (const one of root.querySelectorAll("[data-act=profile]")) one.setAttribute("aria-pressed", one.value === value);
  },
  async use({ value }) {
    const code = document.getElementById("scan-code");
    code.focus();
    fill(code, value);
    document.getElementById("check").click();
  },
  async "not-them"() {
    await refresh({ scan_code: "" }, [...PARTS, ...ABOUT]);
    document.getElementById("scan-code").focus();
  },
  async anyway() {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "duplicate", value: "allow" }));
    document.getElementById("save").click();
  },
};

async function question(asks) {
  await refresh({ asks, failed: "" });
  shown("[data-act$=yes]", root)?.focus();
}

/** Yes: starts the next pass. Its purpose is stored and survives a reload. */
async function scan(then) {
  const { ok, body } = await ask("POST", path("/confirm"));
  if (!ok) return failed(body);
  if (then.what) sessionStorage.setItem(THEN, JSON.stringify({ ...then, session: field("session") }));
  await refresh({ asks: "", sided: "" });
  if (!isScanning()) await seenLate();
  return followed();
}

/** A pass can end before the page shows that it has begun. */
async function seenLate() {
  const { ok, body } = await ask("GET", path());
  if (ok) await follow(body);
}

function followed() {
  shown("[data-act$=yes], [data-act=stop]", root)?.focus();
  watch();
}

async function discard() {
  await ask("DELETE", path());
  await refresh(NOTHING);
  shown("[data-act=begin]", root)?.focus();
}

/** Shows a scanner's problem in the page's own words, and any other problem in the server's. */
async function failed(problem) {
  const slug = problem.type.split("/").pop();
  const { holder = "", page = "" } = problem;
  await refresh(slug.startsWith("scanner-") ? { asks: "", failed: slug, holder, holder_page: page } : { asks: "" });
  if (!slug.startsWith("scanner-")) trouble(problem);
}

function trouble(problem) {
  const note = root.querySelector("[data-trouble]");
  note.querySelector("span").textContent = problem.errors?.[0]?.detail ?? problem.detail;
  note.hidden = false;
}

// -- pages --------------------------------------------------------------------------------------------------------

const shaOf = (n) => pages().find((one) => one.n === Number(n))?.sha256;
const place = (n) => pages().findIndex((one) => one.n === Number(n)) + 1;

/** The session after a change of its pages; undefined after a conflict, when the pane is loaded again. */
async function arrange(n, verb, body, version = field("version")) {
  const answer = await ask("POST", path(`/pages/${n}/${verb}`), { body, version });
  if (answer.ok) return answer.body;
  await refresh();
  trouble(answer.body);
  return undefined;
}

/** Finds the selected pages by their content, because their numbers have changed. */
async function arranged(session, at) {
  if (!session) return;
  const wanted = numbers(field("pages")).map(shaOf);
  const now = session.pages.filter((one) => wanted.includes(one.sha256)).map((one) => one.n);
  const all = field("pages") === "all" ? "all" : "";
  await refresh({ asks: "", pages: wanted.length ? now.join(",") : all, page: session.pages[(at ?? place(field("page"))) - 1]?.n ?? "" });
}

async function move(n, to) {
  await arranged(await arrange(n, "move", { to }), to);
  say(word("moved", to));
}

async function remove(gone) {
  let session;
  const at = place(field("page"));
  for (const n of gone.toSorted((one, other) => other - one)) {
    session = await arrange(n, "remove", {}, session?.version);
    if (!session) return; // after a conflict the numbers belong to other pages
  }
  await arranged(session, Math.min(at, session?.pages.length ?? 1));
}

function look(step) {
  const there = pages()[place(field("page")) - 1 + step];
  return there && refresh({ page: there.n });
}

/** Lets the user compare the page with the data on the form. */
function size(step) {
  zoom = step;
  root.style.setProperty("--zoom", zoom);
  root.classList.toggle("zoomed", zoom > 1);
}

function toggled(n) {
  const taken = thumbs().filter((one) => !one.matches(".out")).map((one) => Number(one.dataset.n));
  const others = taken.filter((one) => one !== n);
  return (others.length < taken.length ? others : [...taken, n].sort((one, other) => one - other)).join(",");
}

// -- drag and drop ------------------------------------------------------------------------------------------------

let lifted;

function lift(event) {
  lifted = event.target.closest?.("#scan-strip [data-n]")?.dataset.n;
  if (lifted) event.dataTransfer.effectAllowed = "move";
}

function hover(event) {
  if (!root) return;
  const over = lifted && event.target?.closest?.("[data-n]");
  for (const one of thumbs()) one.classList.toggle("over", one === over);
  if (over) event.preventDefault();
}

function drop(event) {
  const over = event.target.closest("[data-n]");
  if (!lifted || !over) return;
  event.preventDefault();
  const [n, to] = [lifted, place(over.dataset.n)];
  lifted = undefined;
  after(() => move(n, to));
}

begin();
