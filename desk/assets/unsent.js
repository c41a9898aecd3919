// Uploads started in this browser that a closed tab or a PC switched off has interrupted. Stores the file's name and
// the customer's number for a day at most, never the content. work.js lists them.

import { signedInAs } from "./parts.js";

const KEPT = "dossier-unsent-";
const DAY_MS = 86_400_000;
const BEAT_MS = 2_000;
const SILENT_MS = 90_000; // background tabs run timers once a minute

const sending = new Map(); // percent sent, by key
let beat;

export function begun(key, name, customer) {
  for (const one of interrupted()) if (one.name === name && one.customer === customer) ended(one.key); // the upload continues
  sending.set(key, 0);
  keep(key, { name, customer, user: signedInAs, at: Date.now() });
  beat ??= setInterval(live, BEAT_MS);
}

/** Does not add back an upload that was removed from the list. */
function live() {
  for (const [key, percent] of sending) if (read(KEPT + key).at) keep(key, { percent, left: false });
}

export function moved(key, percent) {
  if (sending.has(key)) sending.set(key, percent);
}

/** Removes an upload that was stored, refused or abandoned. */
export function ended(key) {
  sending.delete(key);
  localStorage.removeItem(KEPT + key);
  if (sending.size === 0) beat = clearInterval(beat);
}

/** The user's uploads that no open tab continues, latest first. */
export function interrupted() {
  const isMine = ({ user, left, heard }) => user === signedInAs && (left || heard < Date.now() - SILENT_MS);
  return all().filter((one) => isRecent(one) && isMine(one)).sort((one, other) => other.at - one.at);
}

/** After a day an entry is dropped. */
export function sweep() {
  for (const one of all()) if (!isRecent(one)) ended(one.key);
}

const isRecent = ({ at }) => at >= Date.now() - DAY_MS;

function all() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(KEPT));
  return names.map((name) => ({ key: name.slice(KEPT.length), ...read(name) }));
}

const read = (name) => JSON.parse(localStorage.getItem(name) ?? "{}");

function keep(key, changes) {
  try {
    localStorage.setItem(KEPT + key, JSON.stringify({ ...read(KEPT + key), ...changes, heard: Date.now() }));
  } catch {
    // There is no room for it, and the upload is what counts.
  }
}

addEventListener("beforeunload", (event) => sending.size && event.preventDefault());
addEventListener("pagehide", () => sending.forEach((percent, key) => keep(key, { percent, left: true })));
