// A document (S9): reports changes by others. Without scripts every correction is a plain form. viewer.js shows the
// pages.

import { listen } from "./live.js";
import { say } from "./parts.js";
import { load, take } from "./swap.js";

// Opens and scrolls to the form that the link names or that was refused.
if (!document.querySelector("[data-summary]")) document.querySelector(".change details[open]")?.scrollIntoView({ block: "center" });


const meanwhile = document.getElementById("meanwhile");
const { document: shown, position } = meanwhile.dataset;

listen((event) => event.subject === shown && Number(event.id) > Number(position) && tell(), undefined, { after: position });

function tell() {
  if (!meanwhile.hidden) return;
  meanwhile.hidden = false;
  say(meanwhile.querySelector("p").textContent);
}

// Shows only the refusal, because a reloaded page would forget the chosen file.
const replacing = document.getElementById("form-content");
const button = replacing?.querySelector("[type=submit]");

replacing?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!button.disabled) replace();
});

async function replace() {
  const body = new FormData(replacing);
  const file = body.get("file");
  button.disabled = true;
  try {
    if (file.size > Number(replacing.dataset.limit)) await explain({ type: "/problems/content-too-large" }, file);
    else {
      const { answer, page } = await load(replacing.action, { method: "POST", body });
      if (answer.redirected) return location.assign(answer.url);
      await refused(page, file);
    }
  } catch {
    document.dispatchEvent(new CustomEvent("unreachable"));
  }
  button.disabled = false;
  return undefined;
}

/** Resends a file against the current version. */
async function refused(page, file) {
  const now = page.getElementById("form-content");
  const summary = page.querySelector("[data-summary]");
  if (now) replacing.setAttribute("action", now.getAttribute("action"));
  if (page.getElementById("refusal")) take(page, ["refusal"]);
  else if (summary) document.getElementById("refusal").replaceChildren(document.adoptNode(summary));
  else await explain({ type: "/problems/internal-error" }, file);
  document.querySelector("[data-summary]")?.focus();
}

/** Renders the refusal with /add/refused. */
async function explain(problem, { name, size }) {
  const body = new URLSearchParams({ problem: JSON.stringify(problem), name, size });
  await refused((await load("/add/refused", { method: "POST", body })).page);
}
