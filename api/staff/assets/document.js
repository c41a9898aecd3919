// A document (S9): a word when somebody changes it meanwhile. Without scripts every correction is a form all the same.
// Its pages: viewer.js.

import { listen } from "./live.js";
import { say } from "./parts.js";
import { load, take } from "./swap.js";

// The form that a link asks for, or that was sent back, is where people look next.
if (!document.querySelector("[data-summary]")) document.querySelector(".change details[open]")?.scrollIntoView({ block: "center" });


const meanwhile = document.getElementById("meanwhile");
const { document: shown, position } = meanwhile.dataset;

listen((event) => event.subject === shown && Number(event.id) > Number(position) && tell(), undefined, { after: position });

function tell() {
  if (!meanwhile.hidden) return;
  meanwhile.hidden = false;
  say(meanwhile.querySelector("p").textContent);
}

// A browser shown the page again would have forgotten the chosen file: so only what went wrong is shown.
const replacing = document.getElementById("form-content");
const button = replacing?.querySelector("[type=submit]");

replacing?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!button.disabled) replace();
});

async function replace() {
  const body = new FormData(replacing);
  button.disabled = true;
  try {
    const { answer, page } = await load(replacing.action, { method: "POST", body });
    if (answer.redirected) return location.assign(answer.url);
    refused(page);
  } catch {
    document.dispatchEvent(new CustomEvent("unreachable"));
  }
  button.disabled = false;
  return undefined;
}

/** Sent once more, it goes to the version that stands now. */
function refused(page) {
  const now = page.getElementById("form-content");
  if (now) replacing.setAttribute("action", now.getAttribute("action"));
  take(page, ["refusal"]);
  document.querySelector("[data-summary]")?.focus();
}
