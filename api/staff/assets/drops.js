// A file that is dropped never takes the place of the page. On a page of a customer it leads to Select file for them; where
// nothing takes it, a note says what would.

import { part, signedInAs } from "./parts.js";
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
  const customer = document.querySelector("[data-customer]")?.dataset.customer;
  const way = document.getElementById("desk").dataset.drop;
  const files = [...event.dataTransfer.files];
  if (way && customer && files.length > 0 && !document.getElementById("enter")) lead(way + encodeURIComponent(customer), files);
  else say();
}

/** Files cannot go along to another page, so Select file takes the place of this one without a load. */
async function lead(address, files) {
  const { page } = await load(address).catch(() => ({}));
  if (!page?.querySelector("file-upload")) return say();
  leave(page);
  history.pushState(null, "", at(address));
  addEventListener("popstate", () => location.reload());
  await Promise.all(["./add.js", "./upload.js", "./scan.js"].map((script) => import(script)));
  return document.querySelector("file-upload").add(files);
}

/** What is left stays behind the new page, unseen: its scripts go on to find their parts. */
function leave(page) {
  const left = document.createElement("div");
  Object.assign(left, { hidden: true, inert: true });
  const before = document.getElementById("main");
  for (const name of PARTS) document.querySelector(name).replaceWith(document.adoptNode(page.querySelector(name)));
  left.append(before);
  document.title = page.title;
  document.body.className = "";
  document.body.append(left);
  document.getElementById("main").focus();
}

function say() {
  if (document.querySelector("#said [data-part=dropped]")) return;
  const note = part("dropped");
  document.getElementById("said").append(note);
  note.scrollIntoView({ block: "nearest" });
  setTimeout(() => note.remove(), SHOWN_MS);
}
