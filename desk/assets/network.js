// When there is no way to the archive: said in words, and noticed by itself when it is there again. Nothing is dropped
// meanwhile: forms (send.js) and what scripts ask (archive.js) wait here.

import { part, pause, signedInAs } from "./parts.js";
import { at } from "./place.js";

const AGAIN_MS = 2_000;
const OF_A_PROXY = [502, 504];
let waiting;

/** Whether an answer with this status, or none, says that there is no way to the archive. */
export const isNone = (status) => status === 0 || OF_A_PROXY.includes(status);

export function start() {
  addEventListener("offline", back);
  document.addEventListener("unreachable", back);
  if (!navigator.onLine) back();
}

/** For whom the page was made: nothing is done in the name of who signed in after them. */
export const forUser = signedInAs ? { "Archive-User": encodeURIComponent(signedInAs) } : {};

/** The answer, or undefined when there is none of the archive. */
export async function attempt(address, options = {}, whose = forUser) {
  try {
    const answer = await fetch(at(address), { ...options, headers: { ...whose, ...options.headers } });
    return isNone(answer.status) ? undefined : answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return undefined;
  }
}

export const isAway = () => waiting !== undefined;

/** Resolves when the archive can be reached again. */
export function back() {
  waiting ??= wait();
  return waiting;
}

async function wait() {
  const unsay = sayAway();
  do await Promise.race([pause(AGAIN_MS), cameOnline()]);
  while (!(await attempt("/v1/session")));
  unsay();
  waiting = undefined;
  document.dispatchEvent(new CustomEvent("reachable"));
}

const cameOnline = () => new Promise((resolve) => addEventListener("online", resolve, { once: true }));

/** In the bar and above the page; what it returns takes it back. */
function sayAway() {
  const banner = part("away");
  const dot = document.querySelector(".live");
  const before = dot && { className: dot.className, text: dot.textContent, hidden: dot.hidden };
  document.getElementById("said").prepend(banner);
  if (dot) Object.assign(dot, { className: "live none", textContent: dot.dataset.offline, hidden: false });
  return () => {
    banner.remove();
    if (before) Object.assign(dot, { className: before.className, textContent: before.text, hidden: before.hidden });
  };
}
