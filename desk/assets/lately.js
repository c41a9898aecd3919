// Remembers the customers opened in this window and the list a paper was opened from, with its filters. Stores only ids
// and addresses, in sessionStorage, per user.

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

/** Reads the address when the page is left, because filters change it without a load. */
function keepList() {
  addEventListener("pagehide", () => {
    const address = new URL(location.href);
    for (const name of ["cursor", "at", "saved"]) address.searchParams.delete(name);
    write({ ...read(), list: address.pathname + address.search });
  }, { signal: whileHere });
}

/** Points links to the customer's list at the remembered list. */
function leadBack(list) {
  const path = new URL(list, location.href).pathname;
  for (const link of document.querySelectorAll(".crumbs a, #who-band a, #bar-documents")) {
    const there = new URL(link.href);
    if (LIST.test(pathOf(there)) && there.pathname === path && !there.search) link.href = list;
  }
}

/** Looks up current names; leaves out customers who are gone or hidden from this user. */
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
