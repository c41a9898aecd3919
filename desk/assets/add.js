// Upload customer document (S1): sends the entered fields to the server and replaces the parts of the page that differ.
// Input made meanwhile is kept. upload.js sends files.

import { askIn } from "./dialog.js";
import { at, pathOf } from "./place.js";
import { load, take } from "./swap.js";
import { overwrite } from "./wand.js";

const PARTS = ["bar-documents", "who-band", "alert", "about", "details", "rail"];
const WHOLE = ["bar-documents", "who-band", "done", "alert", "enter", "rail"];
const WAITED_FOR = ["scan-code", "shelf_mark", "paper", "number_suffix", "ground"];
const form = () => document.getElementById("enter");
const source = () => document.querySelector("#sources [name=source]:checked")?.value ?? "";
let last = Promise.resolve();
let waiting;
const begun = new Set();
let saving = false;

document.addEventListener("submit", submitted);
document.addEventListener("change", changed);
document.addEventListener("input", typed);
document.addEventListener("click", clicked);
document.addEventListener("keydown", pressed);
addEventListener("beforeunload", (event) => isUnsaved() && event.preventDefault());
begin();

// -- entered fields -----------------------------------------------------------------------------------------------

/** The fields of the form and of the code field. Files are left out. */
function entered(changes) {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form())) if (typeof value === "string") fields.set(name, value);
  const code = document.querySelector("#collection[data-code]")?.dataset.code;
  const file = document.querySelector("file-upload")?.usable({ ...Object.fromEntries(fields), ...changes });
  const known = { source: source(), ...(code && { by_code: code }), ...(file && { file_name: file }), ...changes };
  for (const [name, value] of Object.entries(known)) fields.set(name, value);
  return fields;
}

/** A page of this server; undefined if a later request replaced this one. */
export function fetched(address, options) {
  return load(address, options).then((got) => got.page, (error) => {
    if (error.name !== "AbortError") throw error;
  });
}

/** Runs one exchange after the other, so that each starts from the page the last one left. An upload counts as one. */
export function inTurn(exchange) {
  last = last.then(exchange, exchange);
  return last;
}

/** Asks the server for the page again. Calls made while one is queued share its answer. */
export function refresh(changes = {}, ids = PARTS) {
  waiting ??= { changes: {}, ids: new Set(), turn: inTurn(() => waiting && exchange("/add")) };
  Object.assign(waiting.changes, changes);
  for (const id of ids) waiting.ids.add(id);
  return waiting.turn;
}

/** Sends queued input along. `found`: the code field's fields. Returns the page if it is a dialog. */
async function exchange(address, found, parts = []) {
  const { changes = {}, ids = new Set() } = waiting ?? {};
  waiting = undefined;
  const before = texts();
  const page = await fetched(address, { method: "POST", body: entered({ ...changes, ...found }) });
  if (page?.querySelector("[data-dialog]")) {
    if (ids.size > 0) refresh(changes, ids);
    return page;
  }
  if (page && found) mark(page, found.code);
  return page && show(page, [...ids, ...parts], before);
}

const texts = () => new Map([...form().querySelectorAll("input[id], textarea[id]")].map((one) => [one.id, one.value]));

/** Replaces parts of the page; text typed since `before` is kept. */
export function show(page, ids, before = new Map()) {
  if (!page.getElementById("rail")) return refused(page);
  const since = [...texts()].filter(([id, value]) => before.has(id) && before.get(id) !== value);
  document.title = page.title;
  take(page, ids);
  for (const [id, value] of since) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
  return begin();
}

/** Shows the other page that the server answered with, such as a refusal. */
function refused(page) {
  const summary = page.querySelector("[data-summary]");
  document.getElementById("alert").replaceChildren(...(summary ? [document.adoptNode(summary)] : []));
  summary?.focus();
}

/** Replaces everything, after a save or a refusal. The focus goes to the field with autofocus. */
export function showWhole(page) {
  if (!page.getElementById("rail")) return refused(page);
  const chosen = page.querySelector("#sources :checked")?.value;
  for (const radio of document.querySelectorAll("#sources [name=source]")) radio.checked = radio.value === chosen;
  if (page.querySelector("[data-done], #noted")) begun.clear();
  show(page, WHOLE);
  const wanted = document.querySelector("[data-summary], #done [autofocus]") ?? document.getElementById("look-up");
  return wanted.focus();
}

/** Runs after every change of the page: updates the address, the held Save and the seconds of Undo. */
function begin() {
  const known = ["customer", "type", "session"].map((name) => [name, form().elements[name]?.value ?? ""]);
  const query = new URLSearchParams([["source", source()], ...known]);
  for (const name of [...query.keys()]) if (!query.get(name)) query.delete(name);
  history.replaceState(null, "", at(query.size ? `/add?${query}` : "/add"));
  if (document.querySelector("#rail .todo")) hold();
  for (const undo of document.querySelectorAll("[data-undo]:not([data-counting])")) countDown(undo);
}

/** The server cannot see the chosen file and so does not hold Save back for it; the script does. */
function hold() {
  for (const button of document.querySelectorAll("#save, #save-next")) {
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-describedby", "outcome");
  }
}

function countDown(undo) {
  const left = undo.querySelector("[data-left]");
  const end = performance.now() + 1_000 * undo.dataset.undo;
  undo.dataset.counting = "";
  const timer = setInterval(() => {
    const seconds = Math.ceil((end - performance.now()) / 1_000);
    left.textContent = left.dataset.words.replace("{seconds}", seconds);
    if (seconds > 0 && undo.isConnected) return;
    clearInterval(timer);
    if (undo.contains(document.activeElement)) document.getElementById("look-up").focus();
    undo.remove();
  }, 1_000);
}

// -- events -------------------------------------------------------------------------------------------------------

function submitted(event) {
  const sent = event.target;
  const act =
    sent === form() ? () => entering(event.submitter)
    : sent.matches("[data-find]") ? () => lookUp(sent)
    : sent.matches("#done form") ? () => settle(sent)
    : undefined;
  if (!act || event.defaultPrevented) return;
  if (sent === form() && isScan(event.submitter)) return begun.clear();
  event.preventDefault();
  act();
}

/** scan.js saves scanned pages. */
const isScan = (by) => source() === "scan" && !by?.hasAttribute("data-open");

function entering(by) {
  const way = by?.getAttribute("data-open") === null ? undefined : by?.getAttribute("formaction");
  if (way && pathOf(way) === "/add") return refresh(by.name ? { [by.name]: by.value } : {}).then(overwrite).then(stay);
  if (way) return open(way);
  return source() === "none" ? note() : document.querySelector("file-upload")?.save(by?.id === "save-next");
}

/** If the pressed button is gone, moves the focus to the next field that is needed. */
function stay() {
  if (document.activeElement === document.body) document.getElementById("scan-code")?.focus();
}

function clicked(event) {
  const way = event.target.closest?.("a[data-open]");
  if (!way || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(way.pathname);
}

/** Enter in a field of the form would press its first button, Check. */
function pressed(event) {
  const isHere = event.target.matches?.("#enter input:not(#scan-code)");
  if (isHere && event.key === "Enter" && !event.ctrlKey && !event.metaKey) event.preventDefault();
}

function changed({ target }) {
  if (target.form?.id === "sources") chooseSource();
  else if (target.name === "why") refresh();
  else if (WAITED_FOR.includes(target.id) && target.id !== "scan-code") refresh({}, ["rail"]);
}

/** Checks a code that was scanned before a source was chosen. */
function chooseSource() {
  const code = form().elements.scan_code?.value;
  return refresh(code ? { check: "1" } : {}, [...WHOLE.filter((id) => id !== "done")]);
}

/** Passes files dropped on another source to Select file. */
export async function takeFiles(files) {
  document.querySelector("#sources [value=file]").checked = true;
  await chooseSource();
  return document.querySelector("file-upload")?.add(files);
}

/** A changed code voids its Check; text begun or emptied changes what Save still needs. */
function typed({ target }) {
  if (target.id && target.matches("#enter :is(input, textarea)")) begun.add(target.id);
  if (target.matches("#look-up, #scan-code")) target.removeAttribute("aria-invalid");
  if (!WAITED_FOR.includes(target.id)) return;
  const isGiven = target.value.trim() !== "";
  if (target.id === "scan-code" && document.querySelector("#collection[data-code]")) refresh();
  else if (isGiven !== (target.dataset.given === "")) refresh({}, ["rail"]);
  target.toggleAttribute("data-given", isGiven);
}

/** The address keeps customer, type and scanned pages; typed text and chosen files would be lost. */
function isUnsaved() {
  const isTyped = [...begun].some((id) => document.getElementById(id)?.value);
  return isTyped || (document.querySelector("file-upload")?.chosen?.some((one) => !one.saved) ?? false);
}

async function open(way) {
  const page = await fetched(way, { method: "POST", body: entered({}) });
  if (page?.querySelector("[data-dialog]")) await answered(page);
  else if (page) refused(page);
}

/** Puts the answer of a dialog into the form. After the customer it asks for the type, unless a code gives it. */
async function answered(page) {
  const kind = page.querySelector("[data-dialog]").dataset.dialog;
  const answer = await askIn(page);
  if (!answer) return;
  const names = ["customer", "type", "scan_code", "check"];
  const chosen = Object.fromEntries([...answer].filter(([name]) => names.includes(name) && answer.get(name)));
  const told = kind === "search" ? { customer: chosen.customer } : kind === "choice" ? { type: chosen.type } : chosen;
  await refresh(told);
  const { type, scan_code: code } = form().elements;
  if (kind === "search" && source() && type && !type.value && !code?.value) await open("/choice");
}

async function lookUp(find) {
  const parts = source() ? PARTS : WHOLE.filter((id) => id !== "done");
  const page = await inTurn(() => exchange("/find", { code: find.elements.code.value, at: "add" }, parts));
  if (!page) return;
  document.getElementById("alert").replaceChildren();
  mark(page, find.elements.code.value);
  await answered(page);
}

/** Keeps an unknown code selected, to be overwritten; clears one that was found. */
function mark(page, code) {
  const field = document.getElementById("look-up");
  const isWrong = page.getElementById("look-up")?.hasAttribute("aria-invalid");
  if (isWrong) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  if (!isWrong && field.value === code) field.value = "";
}

/** OK below a recorded authorization, and Undo. Input already made stays. */
async function settle(sent) {
  const isUndo = sent.hasAttribute("data-undo");
  const body = new URLSearchParams(new FormData(sent));
  const page = await (isUndo ? fetched(sent.action, { method: "POST", body }) : fetched(`${sent.action}?${body}`));
  if (!page) return;
  if (!page.getElementById("done")) location.assign(at(body.has("noted") ? `/authorizations/${body.get("noted")}` : `/documents/${body.get("id")}`));
  else show(page, ["done"]);
  document.getElementById("look-up").focus();
}

/** No upload: asks, then records. Cancel leaves the form unchanged. */
async function note() {
  if (saving) return;
  saving = true;
  try {
    let page = await fetched(form().action, { method: "POST", body: entered({}) });
    if (page?.querySelector("[data-dialog]")) {
      const answer = await askIn(page);
      page = answer && (await fetched("/add/note", { method: "POST", body: new URLSearchParams(answer) }));
    }
    if (page) showWhole(page);
  } finally {
    saving = false;
  }
}
