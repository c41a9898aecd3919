// A file that is dropped never takes the place of the page. Where no <file-upload> takes it, a note says what would.

import { part, signedInAs } from "./parts.js";

const SHOWN_MS = 15_000;

export function start() {
  document.addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
  document.addEventListener("drop", (event) => isFile(event) && keep(event));
}

const isFile = ({ dataTransfer }) => dataTransfer?.types.includes("Files") ?? false;

function keep(event) {
  event.preventDefault();
  if (!signedInAs || document.querySelector("file-upload") || document.querySelector("#said [data-part=dropped]")) return;
  const note = part("dropped");
  document.getElementById("said").append(note);
  note.scrollIntoView({ block: "nearest" });
  setTimeout(() => note.remove(), SHOWN_MS);
}
