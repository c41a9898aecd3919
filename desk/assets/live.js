// Delivers the archive's events to a page, over one stream per browser (live-worker.js). The bar shows the state of the
// connection.

import { whileHere } from "./parts.js";
import { url } from "./trust.js";

const WORKER = new URL("./live-worker.js", import.meta.url).href;
const DOTS = { live: "live", polling: "live poll", offline: "live none" };
const listeners = new Set();
let state;
let port;
let reached; // the last position delivered to this page

/** Calls `onEvent` with each event the reader may see, in short: {id: position, type, subject, time, data: {kind,
 *  customers}}; or with one of type "many" when the page has to reload. `onState` gets "live", "polling" (every 15
 *  s) or "offline", at once and at each change. `after` is the position of the page. Returns a function that
 *  unsubscribes. */
export function listen(onEvent, onState = () => {}, { after } = {}) {
  const listener = { onEvent, onState };
  listeners.add(listener);
  if (port) state && onState(state);
  else connect(after == null ? undefined : Number(after));
  return () => listeners.delete(listener);
}

function connect(after) {
  reached = after;
  port = shared() ?? alone();
  port.postMessage({ after });
  addEventListener("pagehide", () => port.postMessage({ leaves: true }));
  addEventListener("pageshow", (event) => event.persisted && port.postMessage({ after: reached }), { signal: whileHere });
  whileHere.addEventListener("abort", end);
}

function end() {
  listeners.clear();
  port.postMessage({ leaves: true });
  for (const dot of document.querySelectorAll("[data-live]")) dot.hidden = true;
}

function shared() {
  if (!globalThis.SharedWorker) return undefined;
  const worker = new SharedWorker(url(WORKER), { name: "dossier", type: "module" });
  worker.port.onmessage = ({ data }) => hear(data);
  worker.onerror = () => {
    port = alone();
    port.postMessage({ after: reached });
  };
  return worker.port;
}

/** Runs the worker's code in this page; messages are queued until it is loaded. */
function alone() {
  const page = { postMessage: hear };
  const followed = import(WORKER).then(({ follow }) => follow());
  return {
    postMessage: ({ leaves, after }) => followed.then((feed) => (leaves ? feed.remove(page) : feed.add(page, after))),
  };
}

function hear({ event, state: now }) {
  if (whileHere.aborted) return;
  if (event) {
    reached = Number(event.id);
    for (const { onEvent } of listeners) onEvent(event);
  } else {
    state = now;
    show();
    for (const { onState } of listeners) onState(state);
  }
}

function show() {
  for (const dot of document.querySelectorAll("[data-live]")) {
    dot.hidden = false;
    dot.className = DOTS[state];
    dot.textContent = dot.dataset[state];
  }
}
