// Shared helpers: templates of desk.html, text fields, announcements for screen readers.

const kept = document.getElementById("desk");

/** Whether a user is signed in; only then desk.html is in the page. */
export const signedInAs = kept?.dataset.user;

const here = new AbortController();

/** Aborts when another page replaces this one in place; listeners of a page use it as their signal. */
export const whileHere = here.signal;

export const leave = () => here.abort();

/** A new copy of a part of desk.html, not yet inserted. */
export function part(name) {
  return document.importNode(kept.content.querySelector(`[data-part="${name}"]`), true);
}

/** Whether the element takes text, so that shortcuts leave it alone. */
export function isText(element) {
  if (element?.isContentEditable || element?.matches?.("textarea")) return true;
  return element?.matches?.("input:not([type=radio], [type=checkbox], [type=range], [type=button], [type=submit])") ?? false;
}

export const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest("[inert]");

/** The first visible one. */
export function shown(selector, within = document) {
  return [...within.querySelectorAll(selector)].find(isShown);
}

/** The open modal dialog, if any. */
export function openDialog() {
  return [...document.querySelectorAll("dialog:modal")].at(-1);
}

/** Sets the value as if typed. */
export function fill(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Announces the text to screen readers. */
export function say(text) {
  const line = document.createElement("p");
  line.className = "vh";
  line.textContent = text;
  document.getElementById("said").append(line);
  setTimeout(() => line.remove(), 10_000);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
