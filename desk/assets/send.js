// A form goes out once, and only when the archive can take it: an error page of the browser, or the way to the sign-in,
// would lose what was typed. Forms that scripts send themselves are theirs.

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
  addEventListener("submit", send); // behind those of the page, which may take a form for themselves
  addEventListener("pageshow", (event) => event.persisted && sent && location.reload());
}

/** What is not possible just now says why. */
function refuse(event) {
  const control = event.target.closest?.("[aria-disabled=true]");
  if (!control) return;
  event.preventDefault();
  const reasons = (control.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id));
  say(reasons.map((reason) => reason?.textContent.trim()).join(" "));
  for (const reason of reasons) if (reason) point(reason);
}

/** Who looks elsewhere, or presses keys, is shown where the reason stands. */
function point(reason) {
  reason.scrollIntoView({ block: "nearest" });
  reason.classList.add("pointed");
  setTimeout(() => reason.classList.remove("pointed"), POINTED_MS);
}

/** While the archive is away nothing is sent, of a look-up neither. */
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
  await ask("GET", "/v1/session"); // not before the archive answers and knows who asks
  ready.add(form);
  sent = true;
  form.requestSubmit(event.submitter);
}
