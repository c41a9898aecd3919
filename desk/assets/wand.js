// The barcode scanner types very fast and presses Enter. Its code is looked up; a scan never saves anything (README,
// "The desk").
//
//   in a code field            Enter looks up; the page shows what is wrong, and the next scan overwrites
//   in any other field         the code is text, and its Enter does nothing
//   anywhere else              the code is caught and looked up; slow typing is left alone
//   with a dialog open         for the dialog's own field, else refused with a sound

import { fill, isShown, isText, openDialog, part, shown } from "./parts.js";

const GAP_MS = 35;
const ENTER_MS = 200;
const LENGTH_MIN = 6;
const TWICE_MS = 2_000;
const HELD = ["Shift", "Control", "Alt", "AltGraph", "CapsLock"]; // scanners send these for capitals and control characters
const SOUND_MS = 150;
export const CODE_FIELDS = "#look-up, #scan-code, [data-wand], input[type=search]";
const KEPT = "dossier-shot";

let typed = "";
let last = -Infinity;

export function start() {
  addEventListener("keydown", hear, true);
  document.addEventListener("submit", (event) => event.target.matches("[data-find]") && tidy(event));
  document.addEventListener("swapped", () => wrong() && overwrite());
  overwrite();
}

/** Whether the key is one of a fast series. */
export const isShooting = () => typed.length > 1;

function hear(event) {
  if (event.key === "Enter") return ended(event);
  const quick = event.timeStamp - last <= GAP_MS;
  last = event.timeStamp;
  if (!quick || (event.key.length !== 1 && !HELD.includes(event.key))) typed = "";
  if (event.key.length !== 1 || event.ctrlKey || event.altKey || event.metaKey) return undefined;
  typed += event.key;
  if (event.key === " " && isShooting() && !isText(event.target)) event.preventDefault(); // the space would press a button
  return undefined;
}

function ended(event) {
  const code = event.timeStamp - last <= ENTER_MS && typed.length >= LENGTH_MIN ? clean(typed) : "";
  typed = "";
  const field = event.target;
  if (field.matches?.(CODE_FIELDS) && !event.ctrlKey && !event.metaKey) return entered(event, field);
  if (code === "") return undefined;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!isText(field) && !isTwice(code)) route(code);
  return undefined;
}

/** Enter in a code field, by a scanner or a person. */
function entered(event, field) {
  const code = clean(field.value);
  if (code !== "" && isTwice(code)) {
    event.preventDefault();
    field.select();
  } else if (field.id === "scan-code") {
    event.preventDefault();
    document.getElementById("check")?.click();
  }
}

function route(code) {
  const dialog = openDialog();
  const field = document.getElementById("scan-code");
  if (dialog) inDialog(dialog, code);
  else if (field && isShown(field) && isScanCode(code)) check(field, code);
  else lookUp(code);
}

function check(field, code) {
  fill(field, code);
  document.getElementById("check").click();
}

function lookUp(code) {
  const form = document.querySelector("form[data-find]");
  fill(form.elements.code, code);
  form.requestSubmit();
}

function inDialog(dialog, code) {
  const field = shown(CODE_FIELDS, dialog);
  if (!field) return refuse(dialog);
  fill(field, code);
  field.select();
  return field.form?.requestSubmit();
}

function refuse(dialog) {
  dialog.querySelector("[data-part=refused]")?.remove();
  dialog.append(part("refused"));
  sound();
}

/** Removes control characters and the symbology prefix (]C1, ]Q3). */
function clean(text) {
  return text.replace(/[\u0000-\u001f\u007f]/g, "").trim().replace(/^\][A-Za-z][0-9A-Za-z]/, "");
}

function tidy(event) {
  const field = event.target.elements.code;
  field.value = clean(field.value);
  if (field.value !== "") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  field.focus();
}

/** A scan code: two letters, twelve digits, two check digits (ISO 7064 MOD 97-10). O and I in the number are 0 and
 *  1. */
export function isScanCode(text) {
  const folded = text.replace(/[\s-]/g, "").toUpperCase();
  const code = folded.slice(0, 2) + folded.slice(2).replaceAll("O", "0").replaceAll("I", "1");
  if (!/^[A-Z]{2}\d{14}$/.test(code)) return false;
  return [...code].reduce((rest, sign) => Number(`${rest}${parseInt(sign, 36)}`) % 97, 0) === 1;
}

/** Whether the code was scanned twice within two seconds, even across a page load. Stores a digest, not the card. */
function isTwice(code) {
  const [digest, at] = (sessionStorage.getItem(KEPT) ?? "").split(" ");
  const now = Date.now();
  const twice = digest === digestOf(code) && now - Number(at) < TWICE_MS;
  if (!twice) sessionStorage.setItem(KEPT, `${digestOf(code)} ${now}`);
  return twice;
}

const digestOf = (code) =>
  [...code].reduce((digest, sign) => Math.imul(digest ^ sign.codePointAt(0), 0x01000193) >>> 0, 0x811c9dc5).toString(36);

/** Selects a code that was not accepted, so that the next scan overwrites it. */
export function overwrite() {
  const field = wrong() ?? document.activeElement;
  if (wrong()) sound();
  if (!field?.matches(CODE_FIELDS) || field.value === "") return;
  field.focus();
  field.select();
}

const wrong = () => shown(`:is(${CODE_FIELDS})[aria-invalid=true]`);

/** A short low sound, if switched on (keys.js). */
function sound() {
  if (localStorage.getItem("dossier-sound") !== "on") return;
  const audio = new AudioContext();
  const tone = new OscillatorNode(audio, { frequency: 220 });
  tone.connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + SOUND_MS / 1_000);
  tone.onended = () => audio.close();
}
