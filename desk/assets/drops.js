// A dropped file never replaces the page. It opens Select file, for the customer of the page if there is one. If typed
// text would be lost, or the user may not add documents, a note says that the file was not added.

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

/** On Add the source changes and the input is kept. */
async function choose(files) {
  const { takeFiles } = await import("./add.js");
  return takeFiles(files);
}

/** Whether typed text would be lost. */
function isBegun() {
  const fields = document.querySelectorAll("main form[method=post] :is(input, textarea)");
  return [...fields].some((one) => one.checkVisibility() && one.value !== one.defaultValue);
}

/** A navigation would lose the files, so Select file replaces this page in place. */
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

/** Removes everything of the old page, which may show another customer. */
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
