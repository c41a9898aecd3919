// A file that is dropped never takes the place of the page. It leads to Select file, for the customer of the page where it
// has one. Where something typed would be lost, or nobody may add, a note says that nothing was added.

import { leave, part, signedInAs } from "./parts.js";
import { at } from "./place.js";
import { load } from "./swap.js";

const SHOWN_MS = 15_000;
const PARTS = [".bar .find", ".bar .lang", ".bar nav:not(.lang)", "#who-band", "main"];

export function start() {
  document.addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
  document.addEventListener("drop", (event) => isFile(event) && keep(event));
}

const isFile = ({ dataTransfer }) => dataTransfer?.types.includes("Files") ?? false;

function keep(event) {
  event.preventDefault();
  if (!signedInAs || document.querySelector("file-upload")) return;
  const way = document.getElementById("desk").dataset.drop;
  const files = [...event.dataTransfer.files];
  if (!way || files.length === 0) say();
  else if (document.getElementById("enter")) choose(files);
  else if (isBegun()) say();
  else lead(way + encodeURIComponent(document.querySelector("[data-customer]")?.dataset.customer ?? ""), files);
}

/** The page that adds documents changes its source, and keeps what is entered. */
async function choose(files) {
  const { takeFiles } = await import("./add.js");
  return takeFiles(files);
}

/** Whether something is typed that would be lost. */
function isBegun() {
  const fields = document.querySelectorAll("main form[method=post] :is(input, textarea)");
  return [...fields].some((one) => one.checkVisibility() && one.value !== one.defaultValue);
}

/** Files cannot go along to another page, so Select file takes the place of this one without a load. */
async function lead(address, files) {
  const { page } = await load(address).catch(() => ({}));
  if (!page?.querySelector("file-upload")) return say();
  leave();
  replace(page);
  history.pushState(null, "", at(address));
  addEventListener("popstate", () => location.reload());
  await Promise.all(["./add.js", "./upload.js", "./scan.js"].map((script) => import(script)));
  return document.querySelector("file-upload").add(files);
}

/** Nothing of the page that is left stays in the document: it may be another customer's. */
function replace(page) {
  for (const name of PARTS) {
    const [here, there] = [document.querySelector(name), document.adoptNode(page.querySelector(name))];
    if (here) here.replaceWith(there);
    else document.querySelector(".top").append(there);
  }
  document.title = page.title;
  document.body.className = "";
  document.getElementById("main").focus();
}

function say() {
  if (document.querySelector("#said [data-part=dropped]")) return;
  const note = part("dropped");
  document.getElementById("said").append(note);
  note.scrollIntoView({ block: "nearest" });
  setTimeout(() => note.remove(), SHOWN_MS);
}
