// Warns two minutes before the session ends. At the end the page is covered and kept in this tab's memory; after
// signing in again in another tab the user continues here (docs/design-notes.md).

import { attempt } from "./network.js";
import { openDialog, part, signedInAs } from "./parts.js";

const WARNING_MS = 2 * 60_000;
const LOOK_AGAIN_MS = 10_000;
const tabs = new BroadcastChannel("dossier");
let timer;
let warning;
let over;

export function start() {
  tabs.postMessage("signed-in");
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  look();
}

/** Reads when the session ends, without extending it, and schedules the next check. */
async function look() {
  const answer = await attempt("/v1/session");
  if (answer?.status === 401) return signedIn();
  if (!answer?.ok) return undefined;
  const session = await answer.json();
  document.dispatchEvent(new CustomEvent("session", { detail: session }));
  if (session.ends_at) plan(new Date(session.ends_at), new Date(answer.headers.get("Date") ?? Date.now()));
  return undefined;
}

/** Uses the server's clock, because the PC's may be wrong. */
function plan(endsAt, now) {
  const left = endsAt - now;
  clearTimeout(timer);
  if (left > WARNING_MS) {
    warning?.close();
    timer = setTimeout(look, left - WARNING_MS);
  } else {
    warn(new Date(Date.now() + left));
    timer = setTimeout(look, Math.min(left + 500, LOOK_AGAIN_MS));
  }
}

function warn(endsAt) {
  if (warning) return;
  warning = part("session-ends");
  const time = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" });
  warning.querySelector("time").textContent = time.format(endsAt);
  warning.querySelector("[data-stay]").addEventListener("click", stay);
  warning.addEventListener("close", () => {
    warning.remove();
    warning = undefined;
  });
  document.body.append(warning);
  warning.showModal();
}

async function stay() {
  await attempt("/v1/session", { method: "PUT", headers: { "Content-Type": "application/json" }, body: "{}" });
  warning?.close();
  look();
}

/** Resolves when the same user is signed in again. */
export function signedIn() {
  over ??= again();
  return over;
}

async function again() {
  warning?.close();
  const dialog = part("session-over");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  while (!(await isBack(dialog))) await somebodyCame(dialog);
  dialog.close();
  dialog.remove();
  over = undefined;
  look();
}

async function isBack(dialog) {
  const anybody = {};
  const answer = await attempt("/v1/session", {}, anybody);
  const user = answer?.ok ? (await answer.json()).user : undefined;
  dialog.querySelector("[data-other]").hidden = user === undefined || user === signedInAs;
  dialog.querySelector("[data-who]").textContent = user ?? "";
  return user === signedInAs;
}

/** Checks again when another tab reports a sign-in, this tab is shown, or the button is pressed. */
function somebodyCame(dialog) {
  return new Promise((resolve) => {
    tabs.addEventListener("message", resolve, { once: true });
    addEventListener("focus", resolve, { once: true });
    dialog.querySelector("[data-again]").addEventListener("click", resolve, { once: true });
  });
}
