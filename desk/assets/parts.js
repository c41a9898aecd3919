// What several scripts need: parts that base.html keeps for them, fields that take text, words for who cannot see.

const kept = document.getElementById("desk");

/** Whether somebody is signed in: only then there are parts. */
export const signedInAs = kept?.dataset.user;

const here = new AbortController();

/** Aborted when another page takes the place of this one without a load: what a page's scripts do ends with the page. */
export const whileHere = here.signal;

export const leave = () => here.abort();

/** A new copy of a part of desk.html, not in the page yet. */
export function part(name) {
  return document.importNode(kept.content.querySelector(`[data-part="${name}"]`), true);
}

/** Takes what is typed, so that keys of ours must not. */
export function isText(element) {
  if (element?.isContentEditable || element?.matches?.("textarea")) return true;
  return element?.matches?.("input:not([type=radio], [type=checkbox], [type=range], [type=button], [type=submit])") ?? false;
}

export const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest("[inert]");

/** The first of them that can be seen. */
export function shown(selector, within = document) {
  return [...within.querySelectorAll(selector)].find(isShown);
}

/** The dialog in front, which has everything to itself. */
export function openDialog() {
  return [...document.querySelectorAll("dialog:modal")].at(-1);
}

/** As if it was typed. */
export function fill(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Say it to who listens; who looks has it before them. */
export function say(text) {
  const line = document.createElement("p");
  line.className = "vh";
  line.textContent = text;
  document.getElementById("said").append(line);
  setTimeout(() => line.remove(), 10_000);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
