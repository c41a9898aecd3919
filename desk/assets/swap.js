// Replaces parts of the page by the same parts of another answer, without a reload; focus and scroll position stay.
// Without scripts the links and forms load whole pages.

import { visit } from "./archive.js";
import { pause, whileHere } from "./parts.js";
import { html } from "./trust.js";

const PRESSED = "a, button, label, summary";
const PRESS_MS_MAX = 1_000;
const running = new Map();
let released = Promise.resolve();
let release = () => {};

/** An element replaced between press and release receives no click; the click comes in the same task as the release. */
function press({ target }) {
  if (!target.closest?.(PRESSED)) return;
  const over = new Promise((done) => (release = done));
  released = Promise.race([over, pause(PRESS_MS_MAX)]).then(() => pause(0));
}

whileHere.addEventListener("abort", () => running.forEach((control) => control.abort()));

addEventListener("pointerdown", press, true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => release(), true);

/** The document at an address. A later call with the same `lane` aborts this one. */
export async function load(address, { lane = address, ...options } = {}) {
  running.get(lane)?.abort();
  const control = new AbortController();
  running.set(lane, control);
  try {
    const answer = await visit(address, { headers: { Accept: "text/html" }, ...options, signal: control.signal });
    const page = new DOMParser().parseFromString(html(await answer.text()), "text/html");
    await released;
    control.signal.throwIfAborted();
    return { answer, page };
  } finally {
    if (running.get(lane) === control) running.delete(lane);
  }
}

/** Replaces the elements with these ids by those of `page`, where they differ. The focus returns to the same id. */
export function take(page, ids) {
  const focused = document.activeElement?.id;
  const caret = document.activeElement?.selectionStart;
  for (const id of ids) {
    const here = document.getElementById(id);
    const there = page.getElementById(id);
    if (!here || !there || here.isEqualNode(there)) continue;
    document.adoptNode(there);
    keepPictures(here, there);
    here.replaceWith(there);
  }
  const again = focused && document.getElementById(focused);
  if (again && again !== document.activeElement) {
    again.focus({ preventScroll: true });
    if (caret != null && again.setSelectionRange) again.setSelectionRange(caret, caret);
  }
  document.dispatchEvent(new CustomEvent("swapped", { detail: ids }));
}

/** Reuses images that are already loaded. */
function keepPictures(here, there) {
  const shown = new Map([...here.querySelectorAll("img[src]")].map((one) => [one.getAttribute("src"), one]));
  for (const one of there.querySelectorAll("img[src]")) {
    const kept = shown.get(one.getAttribute("src"));
    if (kept?.isEqualNode(one)) one.replaceWith(kept);
  }
}

/** Loads an address and replaces parts; undefined if a later load replaced this one. */
export async function swap(address, ids, options = {}) {
  document.dispatchEvent(new CustomEvent("swapping", { detail: ids }));
  try {
    const { answer, page } = await load(address, options);
    take(page, ids);
    return answer;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    throw error;
  }
}

/** The address a GET form would open. */
export function addressOf(form, submitter) {
  const data = new FormData(form, submitter);
  const query = new URLSearchParams([...data].filter(([, value]) => value !== ""));
  return `${form.getAttribute("action") || location.pathname}?${query}`;
}

// <form method="get" data-swap="id id"> and <a data-swap="id id">: replace these parts and update the address bar.
document.addEventListener("submit", (event) => {
  const ids = event.target.dataset?.swap;
  if (!ids || event.defaultPrevented) return;
  event.preventDefault();
  follow(addressOf(event.target, event.submitter), ids);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-swap]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  follow(link.getAttribute("href"), link.dataset.swap);
});

/** Replaces these parts and shows their address. */
export async function follow(address, ids) {
  const answer = await swap(address, ids.split(" "), { lane: ids });
  if (answer) history.replaceState(null, "", answer.url);
}
