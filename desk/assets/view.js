// View customer documents (S8): view.html is the page. past.js changes the moment, rows.js adds further and new rows.
// Without scripts links and the date fields do the same.

import { whileHere } from "./parts.js";
import * as past from "./past.js";
import * as rows from "./rows.js";

const BUSY_MS = 300;
const filters = document.querySelector("form.filters");

// A select applies at once; text and days apply with Enter or the button.
filters.addEventListener("change", (event) => event.target.matches("select") && filters.requestSubmit());

// Exchanges of the list show that they are busy if they take longer.
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
