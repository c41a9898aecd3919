// Parts of the page are exchanged for the same parts of another answer of the server: no reload, focus and scroll stay.
// Without scripts the same links and forms load whole pages.

import { visit } from "./archive.js";
import { pause, whileHere } from "./parts.js";
import { html } from "./trust.js";

const PRESSED = "a, button, label, summary";
const PRESS_MS_MAX = 1_000;
const running = new Map();
let released = Promise.resolve();
let release = () => {};

/** What is exchanged between press and release hears no click. Its click comes in the same turn as the release. */
function press({ target }) {
  if (!target.closest?.(PRESSED)) return;
  const over = new Promise((done) => (release = done));
  released = Promise.race([over, pause(PRESS_MS_MAX)]).then(() => pause(0));
}

whileHere.addEventListener("abort", () => running.forEach((control) => control.abort()));

addEventListener("pointerdown", press, true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => release(), true);

/** The document at an address. A later call with the same `lane` ends this one: only the last answer counts. */
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

/** Take the elements with these ids from `page` into the document, where they differ. Focus goes to the same id. */
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

/** Those that are shown already are not loaded again. */
function keepPictures(here, there) {
  const shown = new Map([...here.querySelectorAll("img[src]")].map((one) => [one.getAttribute("src"), one]));
  for (const one of there.querySelectorAll("img[src]")) {
    const kept = shown.get(one.getAttribute("src"));
    if (kept?.isEqualNode(one)) one.replaceWith(kept);
  }
}

/** Load an address and take parts of it; undefined when a later load came between. */
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

/** What a form would send by GET, as an address. */
export function addressOf(form, submitter) {
  const data = new FormData(form, submitter);
  const query = new URLSearchParams([...data].filter(([, value]) => value !== ""));
  return `${form.getAttribute("action") || location.pathname}?${query}`;
}

// <form method="get" data-swap="id id"> and <a data-swap="id id">: exchange these parts; the address bar follows.
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

/** Exchange these parts, and show the address that they are of. */
export async function follow(address, ids) {
  const answer = await swap(address, ids.split(" "), { lane: ids });
  if (answer) history.replaceState(null, "", answer.url);
}
