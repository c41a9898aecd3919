// A document (S9): a word when somebody changes it meanwhile. Without scripts every correction is a form all the same.
// Its pages: viewer.js.

import { listen } from "./live.js";
import { say } from "./parts.js";

// The form that a link asks for, or that was sent back, is where people look next.
if (!document.querySelector("[data-summary]")) document.querySelector(".change details[open]")?.scrollIntoView({ block: "center" });


const meanwhile = document.getElementById("meanwhile");
const { document: shown, position } = meanwhile.dataset;

listen((event) => event.subject === shown && Number(event.id) > Number(position) && tell(), undefined, { after: position });

function tell() {
  if (!meanwhile.hidden) return;
  meanwhile.hidden = false;
  say(meanwhile.querySelector("p").textContent);
}
