// The slider of View (S8). Arrow keys move from change to change, the pointer to any moment. The list is the server's
// page as of that moment: loaded 120 ms after the last move, one load at a time, the last one wins (swap.js).

import { attempt } from "./network.js";
import { whileHere } from "./parts.js";
import { follow } from "./swap.js";

const DELAY_MS = 120;
const STEPS = 1000;
const LABELS = 5;
const DAY_MS = 86_400_000;
const KEYS = { ArrowLeft: earlier, ArrowDown: earlier, ArrowRight: later, ArrowUp: later, Home: first, End: () => null };

const view = document.getElementById("view");
const slide = document.getElementById("slide");
const slider = document.getElementById("moment");
const { zone, locale } = slide.dataset;
const words = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: zone });

let moments = []; // when something changed, newest first
let begin = 0;
let end = 0;
let chosen = null; // null is now
let timer;

export async function start() {
  slider.addEventListener("input", drag);
  slider.addEventListener("keydown", press);
  document.addEventListener("swapped", settle, { signal: whileHere });
  whileHere.addEventListener("abort", () => clearTimeout(timer));
  await redraw();
}

/** Loads the moments of all changes; the slider starts at the first. */
export async function redraw() {
  const answer = await attempt(`/v1/customers/${encodeURIComponent(view.dataset.customer)}/changes`);
  if (!answer?.ok || whileHere.aborted) return;
  ({ moments } = await answer.json());
  if (moments.length === 0) return;
  begin = Date.parse(moments.at(-1));
  end = Math.max(Date.parse(answer.headers.get("Date") ?? new Date()), Date.parse(moments[0]) + 1);
  slide.hidden = false;
  draw();
  settle();
}

// -- moments --------------------------------------------------------------------------------------------------------

function drag() {
  const at = begin + ((end - begin) * slider.value) / STEPS;
  choose(Number(slider.value) === STEPS ? null : new Date(at).toISOString());
}

function press(event) {
  const move = KEYS[event.key];
  if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  choose(move());
}

/** From now it goes to just before the last change, because after that the list equals the current one. */
function earlier() {
  const from = chosen ?? moments[0];
  return moments.find((at) => at < from) ?? chosen;
}

function later() {
  const after = moments.findLast((at) => at > chosen);
  return chosen === null || after === undefined || after === moments[0] ? null : after;
}

function first() {
  return moments.at(-1);
}

function choose(at) {
  chosen = at;
  say();
  clearTimeout(timer);
  timer = setTimeout(show, DELAY_MS);
}

async function show() {
  timer = undefined;
  const address = new URL(location.href);
  for (const name of ["as_of", "day", "time", "cursor", "at"]) address.searchParams.delete(name);
  if (chosen) address.searchParams.set("as_of", chosen);
  await follow(address.href, view.dataset.parts);
}

// -- display --------------------------------------------------------------------------------------------------------

/** After an exchange the slider follows the page, unless it has moved on. */
function settle() {
  const { asOf, at } = document.getElementById("as-of-now").dataset;
  document.body.classList.toggle("then", asOf !== "");
  if (timer === undefined) chosen = asOf === "" ? null : new Date(at || 0).toISOString();
  say();
}

function say() {
  const text = chosen === null ? slide.dataset.now : words.format(new Date(chosen));
  slider.value = chosen === null ? STEPS : Math.min(STEPS - 1, place(Date.parse(chosen)));
  slider.setAttribute("aria-valuetext", text);
  document.getElementById("as-of-now").textContent = text;
}

const place = (at) => Math.round((STEPS * (at - begin)) / (end - begin));

function draw() {
  const ticks = new Set(moments.map((at) => place(Date.parse(at))));
  slide.querySelector("path").setAttribute("d", [...ticks].map((x) => `M${x} 2v8`).join(""));
  const format = new Intl.DateTimeFormat(locale, { ...scale((end - begin) / DAY_MS), timeZone: zone });
  const labels = Array.from({ length: LABELS }, (_, n) => format.format(begin + ((end - begin) * n) / (LABELS - 1)));
  slide.querySelector(".axis").replaceChildren(...labels.map((label) => Object.assign(document.createElement("span"), { textContent: label })));
}

function scale(days) {
  if (days > 2 * 365) return { year: "numeric" };
  if (days > 90) return { month: "short", year: "numeric" };
  return days > 3 ? { day: "numeric", month: "short" } : { weekday: "short", hour: "2-digit", minute: "2-digit" };
}
