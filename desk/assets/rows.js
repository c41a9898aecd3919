// Rows of the list (S8): adds further rows below and holds new ones behind a button, so that nothing moves under a
// pointer or the focus. Changed rows are updated once neither is in the list.

import { listen } from "./live.js";
import { say, whileHere } from "./parts.js";
import { load, take } from "./swap.js";

const TOGETHER_MS = 150;
const AGAIN_MS = 1_000;

const view = document.getElementById("view");
const fresh = document.getElementById("fresh");
const made = new Map(); // a row's markup as rendered, by id, so that opened details are not a change

let position; // the position a read has to wait for
let timer;
let latest; // the current list, while it differs from the one shown

export function start(changed) {
  remember(rowsOf(document));
  view.addEventListener("click", (event) => event.target.closest("#show-more") && press(event));
  unfold();
  fresh.addEventListener("click", show);
  view.addEventListener("pointerout", calm);
  view.addEventListener("focusout", calm);
  document.addEventListener("swapped", (event) => event.detail.includes("list") && begin(), { signal: whileHere });
  listen((event) => isOurs(event) && (changed(), hear(event)), stand, { after: view.dataset.position });
}

const list = () => document.getElementById("list");
const rowsOf = (page) => [...page.querySelectorAll("#list tbody tr")];
const isPast = () => document.body.classList.contains("then");

function remember(rows) {
  for (const row of rows) made.set(row.id, row.outerHTML);
}

/** A different list: discards waiting rows. */
function begin() {
  made.clear();
  remember(rowsOf(document));
  wait(undefined);
}

// -- further rows ---------------------------------------------------------------------------------------------------

/** After Back, restores the number of rows and the scroll position. */
async function unfold() {
  const { more: times = 0, y = 0 } = history.state ?? {};
  addEventListener("pagehide", () => history.replaceState({ ...history.state, y: scrollY }, ""), { signal: whileHere });
  for (let n = 0; n < times; n++) if (!(await more())) break;
  if (times > 0) scrollTo(0, y);
}

async function press(event) {
  event.preventDefault();
  const rows = await more();
  if (!rows) return;
  history.replaceState({ ...history.state, more: (history.state?.more ?? 0) + 1 }, "");
  rows[0]?.querySelector(".open").focus();
}

/** The rows that were added; undefined if there are none or the load failed. */
async function more() {
  const link = document.getElementById("show-more");
  const found = link && (await loaded(link.href, view.dataset.parts));
  if (!found) return undefined;
  const rows = rowsOf(found);
  remember(rows);
  list().querySelector("tbody").append(...rows.map((row) => document.adoptNode(row)));
  const next = found.getElementById("show-more");
  if (next) link.replaceWith(document.adoptNode(next));
  else link.remove();
  return rows;
}

/** The page at an address; undefined if the load failed or a later one replaced it. */
async function loaded(address, lane, headers = {}) {
  try {
    const { answer, page } = await load(address, { lane, headers: { Accept: "text/html", ...headers } });
    return !whileHere.aborted && answer.ok && page.getElementById("list") ? page : undefined;
  } catch {
    return undefined;
  }
}

// -- changes by others ----------------------------------------------------------------------------------------------

/** After too many events at once there is a single one, without customers. */
function isOurs({ data }) {
  return !data.customers || data.customers.includes(view.dataset.customer);
}

function hear(event) {
  if (event) position = event.id;
  timer ??= setTimeout(check, TOGETHER_MS);
}

function stand(state) {
  document.getElementById("stale").hidden = state !== "polling";
  if (state === "live") hear();
}

async function check() {
  timer = undefined;
  if (isPast() || whileHere.aborted) return;
  const address = new URL(location.href);
  address.searchParams.delete("cursor");
  const page = await loaded(address.href, "live", position ? { "Archive-Min-Position": position } : {});
  if (page) compare(page, address.search);
  else timer ??= setTimeout(check, AGAIN_MS);
}

function compare(page, search) {
  if (isPast() || search !== location.search) return;
  if (!list().querySelector("table")) return void (page.querySelector("#list table") && take(page, view.dataset.parts.split(" ")));
  take(page, ["tabs", "count"]);
  latest = page;
  if (!calm()) wait(page);
}

/** Compares the server's rows with those shown. Rows after the last common one are further rows; `rest` is empty if
 *  the server has none. */
function differences(page) {
  const there = rowsOf(page);
  const here = rowsOf(document);
  const both = there.filter((row) => made.has(row.id));
  const added = there.slice(0, there.indexOf(both.at(-1)) + 1 || there.length).filter((row) => !made.has(row.id));
  const changed = both.filter((row) => row.outerHTML !== made.get(row.id));
  const ids = new Set(there.map((row) => row.id));
  const isAll = !page.getElementById("show-more") || !both.length;
  const last = isAll ? here.length - 1 : here.findIndex((row) => row.id === both.at(-1).id);
  const gone = here.slice(0, last + 1).filter((row) => !ids.has(row.id));
  return { added, changed, gone, rest: here.slice(last + 1) };
}

/** Shows the button with the number of changes. */
function wait(page) {
  latest = page;
  const { added, changed, gone } = page ? differences(page) : { added: [], changed: [], gone: [] };
  const counts = { new: added.length, changed: changed.length + gone.length };
  const kind = counts.new && counts.changed ? "both" : counts.new ? "new" : "changed";
  const text = fresh.dataset[kind].replace("{new}", counts.new).replace("{changed}", counts.changed);
  const isNews = fresh.hidden || fresh.lastElementChild.textContent !== text;
  fresh.hidden = !counts.new && !counts.changed;
  fresh.lastElementChild.textContent = text;
  if (fresh.hidden) latest = undefined;
  else if (isNews) say(text);
}

/** Updates changed rows without the button if the user cannot notice a move. */
function calm() {
  if (!latest || list().matches(":hover") || list().contains(document.activeElement)) return false;
  const { changed } = differences(latest);
  remember(changed);
  for (const row of changed) document.getElementById(row.id).replaceWith(document.importNode(row, true));
  wait(latest);
  return true;
}

function show() {
  const { added, rest } = differences(latest);
  const rows = rowsOf(latest).filter((row) => made.has(row.id) || added.includes(row));
  const shown = rows.map((row) => (made.get(row.id) === row.outerHTML ? document.getElementById(row.id) : document.importNode(row, true)));
  list().querySelector("tbody").replaceChildren(...shown, ...rest);
  if (!rest.length) take(latest, ["more"]);
  remember(rows);
  wait(undefined);
  const ids = new Set(added.map((row) => row.id));
  const marked = shown.filter((row) => ids.has(row.id));
  marked.forEach(mark);
  (marked[0] ?? shown[0])?.querySelector(".open").focus();
}

function mark(row) {
  const tag = document.createElement("span");
  tag.className = "tag new";
  tag.textContent = list().dataset.wordNew;
  row.classList.add("fresh");
  row.querySelector(".open").after(" ", tag);
}
