// Keyboard shortcuts, as listed by the dialog of Alt+K (table in desk.html). An element takes a key with data-
// key="Alt+A"; `data-to` of the table names its target elsewhere. Keys without Alt or Ctrl work only in their list or
// viewer, never in a field.

import { ask } from "./archive.js";
import { fill, isShown, isText, openDialog, part, shown, signedInAs } from "./parts.js";
import { CODE_FIELDS, isShooting } from "./wand.js";

const KEPT = "dossier-keys";
const IS_MAC = /Mac/.test(navigator.platform);
const LIST_KEYS = ["ArrowUp", "ArrowDown", "Home", "End"];
const LISTS = "table.rows tbody, [data-list]";
const FIELDS_OF_CHOICE = "input[type=radio], input[type=checkbox]";

let dialog;
let off = JSON.parse(localStorage.getItem(KEPT) ?? "{}");

export function start() {
  dialog = part("keys");
  document.body.append(dialog);
  for (const opener of document.querySelectorAll("[data-keys]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => dialog.showModal());
  }
  dialog.addEventListener("change", choose);
  document.addEventListener("session", (event) => event.detail.ends_at && keep({ all: event.detail.keys_off }));
  document.addEventListener("keydown", press);
  show();
}

// -- settings -----------------------------------------------------------------------------------------------------

/** The keys switched off in this browser. Switching off all of them is a setting of the user. */
function choose({ target }) {
  if (target.name === "all") {
    keep({ all: !target.checked });
    if (signedInAs) ask("PUT", "/v1/session", { body: { keys_off: !target.checked } });
  } else if (target.name === "sound") {
    localStorage.setItem("dossier-sound", target.checked ? "on" : "off");
  } else {
    keep({ [target.value]: !target.checked });
  }
}

function keep(changes) {
  off = { ...off, ...changes };
  localStorage.setItem(KEPT, JSON.stringify(off));
  show();
}

function show() {
  for (const box of dialog.querySelectorAll("[name=key]")) {
    box.checked = !off[box.value];
    box.disabled = Boolean(off.all);
  }
  dialog.querySelector("[name=all]").checked = !off.all;
  dialog.querySelector("[name=sound]").checked = localStorage.getItem("dossier-sound") === "on";
}

// -- actions ------------------------------------------------------------------------------------------------------

function press(event) {
  if (event.defaultPrevented || event.isComposing || event.getModifierState("AltGraph")) return;
  const name = nameOf(event);
  const row = name && [...dialog.querySelectorAll("[data-names]")].find((one) => one.dataset.names.split(" ").includes(name));
  if (!row || off.all || off[row.dataset.names]) return;
  if (act(row, name)) event.preventDefault();
}

/** The name of a shortcut (Alt+Q, Ctrl+Enter, PageDown), "" for any other key. On a Mac Alt is Control and Option. */
function nameOf(event) {
  const { key, code, altKey, ctrlKey, metaKey } = event;
  if (altKey) {
    const letter = /^[a-z]$/i.test(key) ? key : code.replace(/^Key/, "");
    return !metaKey && ctrlKey === IS_MAC ? `Alt+${letter.toUpperCase()}` : "";
  }
  if (ctrlKey || metaKey) return key === "Enter" ? "Ctrl+Enter" : "";
  return key.length === 1 ? key.toUpperCase() : key;
}

/** Whether a shortcut was handled; if not, the browser handles the key. */
function act(row, name) {
  if (name === "Alt+K") return dialog.open || (dialog.showModal(), true);
  if (name === "Escape") return leave();
  if (name === "Ctrl+Enter") return save();
  if (LIST_KEYS.includes(name)) return step(name);
  return row.dataset.within ? inViewer(row, name) : go(row, name);
}

function go(row, name) {
  const within = openDialog() ?? document;
  const target = shown(`[data-key="${name}"]`, within) ?? shown(row.dataset.to, within);
  if (target) take(target);
  else if (within === document) return elsewhere(row);
  return true;
}

function take(target) {
  target.focus();
  if (isText(target)) target.select?.();
  else target.click();
}

/** Goes to the page that has the target, for the same customer. */
function elsewhere(row) {
  const customer = document.querySelector("[data-customer]")?.dataset.customer;
  const address = customer ? row.dataset.elseCustomer : row.dataset.else;
  if (!address) return false;
  location.assign(address.replace("{customer}", encodeURIComponent(customer)));
  return true;
}

/** Closes a menu or question, or clears the code field. Dialogs close by themselves. */
function leave() {
  if (openDialog()) return false;
  const menu = document.querySelector("details.menu[open]");
  const cancel = shown('[data-key="Escape"]');
  const focused = document.activeElement;
  const field = focused.matches(CODE_FIELDS) ? focused : document.getElementById("look-up");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (cancel) cancel.click();
  else if (field) fill(field, "");
  return true;
}

/** The form in view. */
function save() {
  const form = document.activeElement.form ?? document.activeElement.closest("form");
  const within = openDialog();
  const target = within ? shown(".btn.main", within) : shown("#save") ?? (form && shown(".btn.main", form)) ?? shown("main .btn.main");
  target?.click();
  return target !== undefined;
}

function inViewer(row, name) {
  const viewer = document.activeElement.closest(row.dataset.within);
  if (!viewer || isText(document.activeElement) || isShooting()) return false;
  const target = viewer.querySelector(`[data-key="${name}"]`);
  target?.click();
  return target !== null;
}

/** Moves to the same control of another row. Radio buttons have arrow keys of their own. */
function step(name) {
  const focused = document.activeElement;
  const list = focused.closest(LISTS);
  if (!list || isText(focused) || focused.matches(`${FIELDS_OF_CHOICE}, select`)) return false;
  const rows = [...list.children].filter(isShown);
  const at = rows.findIndex((one) => one.contains(focused));
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 }[name];
  const controls = "a[href], button";
  const place = [...rows[at].querySelectorAll(controls)].indexOf(focused);
  const there = [...(rows[to]?.querySelectorAll(controls) ?? [])];
  (there[place] ?? there[0])?.focus();
  return true;
}
