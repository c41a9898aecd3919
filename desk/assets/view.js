// View customer documents (S8): view.html is the page, made on the server. past.js goes to another moment, rows.js shows
// further rows, and new ones when they are wanted. Without scripts links, date and time do the same.

import { whileHere } from "./parts.js";
import * as past from "./past.js";
import * as rows from "./rows.js";

const BUSY_MS = 300;
const filters = document.querySelector("form.filters");

// A choice counts at once; text and days count with Enter or the button.
filters.addEventListener("change", (event) => event.target.matches("select") && filters.requestSubmit());

// All that exchanges the list says so when it takes longer.
let busy;
function begin() {
  clearTimeout(busy);
  busy = setTimeout(() => document.getElementById("list")?.setAttribute("aria-busy", "true"), BUSY_MS);
}
function end() {
  clearTimeout(busy);
  document.getElementById("list").removeAttribute("aria-busy");
}
document.addEventListener("swapping", begin, { signal: whileHere });
for (const over of ["swapped", "unreachable"]) document.addEventListener(over, end, { signal: whileHere });

past.start();
rows.start(past.redraw);
