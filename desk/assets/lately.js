// What this window was at last: the customers opened in it, and the list that a paper was opened from, with its filters.
// Ids and addresses alone are kept, in the window's own storage: it ends with the window, and is another user's never.

import { ask } from "./archive.js";
import { signedInAs, whileHere } from "./parts.js";
import { pathOf } from "./place.js";

const KEPT = "dossier-lately";
const CUSTOMERS_MAX = 5;
const LIST = /^\/customers\/[^/]+$/;

export function start() {
  const kept = read();
  const customer = document.querySelector("[data-customer]")?.dataset.customer;
  if (customer) kept.customers = [customer, ...kept.customers.filter((one) => one !== customer)].slice(0, CUSTOMERS_MAX);
  if (document.getElementById("view") && !document.body.classList.contains("then")) keepList();
  else if (kept.list) leadBack(kept.list);
  write(kept);
  const recent = document.getElementById("recent");
  if (recent && kept.customers.length > 0) tell(recent, kept.customers);
}

function read() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  return kept.user === signedInAs ? kept : { user: signedInAs, customers: [] };
}

const write = (kept) => sessionStorage.setItem(KEPT, JSON.stringify(kept));

/** Filters change the address without a load, so it is looked at when the page is left. */
function keepList() {
  addEventListener("pagehide", () => {
    const address = new URL(location.href);
    for (const name of ["cursor", "at", "saved"]) address.searchParams.delete(name);
    write({ ...read(), list: address.pathname + address.search });
  }, { signal: whileHere });
}

/** Links to the whole list of the same customer lead to the list as it was. */
function leadBack(list) {
  const path = new URL(list, location.href).pathname;
  for (const link of document.querySelectorAll(".crumbs a, #who-band a, #bar-documents")) {
    const there = new URL(link.href);
    if (LIST.test(pathOf(there)) && there.pathname === path && !there.search) link.href = list;
  }
}

/** By their names of now; one who is gone, or whom this user may not see, is left out. */
async function tell(recent, customers) {
  const found = await Promise.all(customers.map((id) => ask("GET", `/v1/customers/${encodeURIComponent(id)}`)));
  for (const { body } of found.filter(({ ok }) => ok)) {
    const row = recent.querySelector("template").content.cloneNode(true);
    const link = row.querySelector("a");
    Object.assign(link, { textContent: body.name, href: link.getAttribute("href") + encodeURIComponent(body.id) });
    row.querySelector("small").textContent = body.id;
    recent.querySelector("ul").append(row);
  }
  recent.hidden = recent.querySelector("li") === null;
}
