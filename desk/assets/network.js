// Detects that the server is unreachable, shows it, and detects its return. Forms (send.js) and requests of scripts
// (archive.js) wait here.

import { part, pause, signedInAs } from "./parts.js";
import { at } from "./place.js";

const AGAIN_MS = 2_000;
const OF_A_PROXY = [502, 504];
let waiting;

/** Whether this status, or no answer, means that the server is unreachable. */
export const isNone = (status) => status === 0 || OF_A_PROXY.includes(status);

export function start() {
  addEventListener("offline", back);
  document.addEventListener("unreachable", back);
  if (!navigator.onLine) back();
}

/** The user the page was made for; nothing is sent for a user who signed in later. */
export const forUser = signedInAs ? { "Archive-User": encodeURIComponent(signedInAs) } : {};

/** The response, or undefined if the server is unreachable. */
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

/** Resolves when the server is reachable again. */
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

/** Shows the state in the bar and above the page; returns a function that removes it. */
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
