// The work list (S11): adds the uploads that this browser has started and not finished.

import { at } from "./place.js";
import { ended, interrupted } from "./unsent.js";

const list = document.getElementById("uploads");
const { zone, locale } = list.dataset;
const when = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: zone });

function show() {
  const found = interrupted();
  list.querySelector("tbody").replaceChildren(...found.map(row));
  list.querySelector("table").hidden = found.length === 0;
  list.querySelector(".count").hidden = found.length > 0;
  for (const count of document.querySelectorAll("[data-uploads]")) count.textContent = found.length;
  for (const part of document.querySelectorAll("#uploads, a[href='#unsent']")) part.hidden = false;
}

function row({ key, name, customer, at: begun, percent = 0 }) {
  const made = list.querySelector("template").content.cloneNode(true).firstElementChild;
  const words = { name, customer, at: when.format(begun), percent: `${percent}%` };
  for (const place of made.querySelectorAll("[data-word]")) place.textContent = words[place.dataset.word];
  made.querySelector("a").href = at(`/add?${new URLSearchParams({ source: "file", customer })}`);
  made.querySelector("button").addEventListener("click", () => drop(key));
  return made;
}

function drop(key) {
  ended(key);
  show();
  (list.querySelector("tbody button") ?? list.querySelector("h2")).focus();
}

show();
