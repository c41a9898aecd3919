// The timeline (S10): adds earlier acts below, into the same day where it continues. Without scripts a link loads them.

import { load } from "./swap.js";

const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => print());

const filters = document.querySelector("form.filters");
filters.addEventListener("change", (event) => event.target.matches("select") && filters.requestSubmit());

document.addEventListener("click", (event) => event.target.closest("#show-more") && more(event));

async function more(event) {
  event.preventDefault();
  const link = event.target.closest("#show-more");
  const found = await loaded(link.href);
  if (!found) return;
  const added = [...found.querySelectorAll("#timeline > section")].flatMap(add);
  const next = found.getElementById("show-more");
  if (next) link.replaceWith(document.adoptNode(next));
  else link.remove();
  added[0]?.querySelector("a")?.focus();
}

async function loaded(address) {
  try {
    const { answer, page } = await load(address, { lane: "timeline more exports" });
    return answer.ok ? page : undefined;
  } catch {
    return undefined;
  }
}

/** The acts, now in the page. */
function add(section) {
  const acts = [...section.querySelectorAll("li")];
  const day = section.querySelector("h2").id;
  const same = document.getElementById(day)?.closest("section");
  if (same) same.querySelector("ol").append(...acts.map((act) => document.adoptNode(act)));
  else document.getElementById("timeline").append(document.adoptNode(section));
  return acts;
}
