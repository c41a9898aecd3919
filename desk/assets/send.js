// Sends a form once, and only while the server is reachable: an error page or the sign-in page would lose the input.
// Forms sent by other scripts are left alone.

import { ask } from "./archive.js";
import { back, isAway } from "./network.js";
import { say, signedInAs } from "./parts.js";

const POINTED_MS = 4_000;
const held = new WeakSet();
const sending = new WeakSet();
const ready = new WeakSet();
let sent = false;

export function start() {
  addEventListener("click", refuse, true);
  addEventListener("submit", hold, true);
  addEventListener("submit", send); // after the listeners of the page, which may handle a form themselves
  addEventListener("pageshow", (event) => event.persisted && sent && location.reload());
}

/** A held button explains why. */
function refuse(event) {
  const control = event.target.closest?.("[aria-disabled=true]");
  if (!control) return;
  event.preventDefault();
  const reasons = (control.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id));
  say(reasons.map((reason) => reason?.textContent.trim()).join(" "));
  for (const reason of reasons) if (reason) point(reason);
}

/** Scrolls to the reason and outlines it. */
function point(reason) {
  reason.scrollIntoView({ block: "nearest" });
  reason.classList.add("pointed");
  setTimeout(() => reason.classList.remove("pointed"), POINTED_MS);
}

/** While the server is unreachable nothing is sent, not even a look-up. */
async function hold(event) {
  const form = event.target;
  if (form.method === "dialog" || (!isAway() && !held.has(form))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (held.has(form)) return;
  held.add(form);
  await back();
  held.delete(form);
  form.requestSubmit(event.submitter);
}

async function send(event) {
  const form = event.target;
  if (!signedInAs || event.defaultPrevented || form.method !== "post" || ready.has(form)) return;
  event.preventDefault();
  if (sending.has(form)) return;
  sending.add(form);
  event.submitter?.setAttribute("aria-disabled", "true");
  await ask("GET", "/v1/session"); // waits until the server answers and the user is signed in
  ready.add(form);
  sent = true;
  form.requestSubmit(event.submitter);
}
