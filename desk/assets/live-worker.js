// The event stream of a browser, shared by its pages as a SharedWorker; without SharedWorker each page runs it
// (live.js). While the stream fails, it polls every 15 s.

import { at } from "./place.js";

const EVENTS = at("/v1/events");
const POLL_MS = 15_000;
const SILENT_MS = 40_000; // the server sends something every 15 s
const PATIENCE_MS = 5_000; // for the first message: a proxy may buffer the stream
const LOOK_MS = 2_500;
const KEPT = 200;

/** Listeners have `postMessage`. They receive {state}: "live", "polling" or "offline", and {event}: a CloudEvent
 *  without its data, or one of type "many", after which the page has to reload what it shows. */
export function follow() {
  const listeners = new Set();
  let state;
  let position; // all events up to here were delivered
  let complete; // `recent` holds all events after this position
  let recent = [];
  let source;
  let opened = 0;
  let heard = 0;
  let looked = 0;
  let looking;
  let polling;

  // -- listeners ----------------------------------------------------------------------------------------------------

  /** `after` is the position of the page; without it, only new events are sent. */
  function add(listener, after) {
    listeners.add(listener);
    if (looking === undefined) begin(after);
    else if (position !== undefined) catchUp(listener, after);
    else if (after !== undefined) goFrom(after);
    if (state) listener.postMessage({ state });
  }

  function remove(listener) {
    listeners.delete(listener);
    if (listeners.size === 0) end();
  }

  function catchUp(listener, after) {
    if (after < complete) listener.postMessage({ event: many(position) });
    else for (const event of recent) if (Number(event.id) > after) listener.postMessage({ event });
  }

  function tell(event) {
    for (const listener of listeners) listener.postMessage({ event });
  }

  function stand(now) {
    if (state === now) return;
    state = now;
    for (const listener of listeners) listener.postMessage({ state });
  }

  // -- events -------------------------------------------------------------------------------------------------------

  const many = (at) => ({ type: "many", id: String(at), data: {} });

  /** Drops events seen before, which a reconnect or a parallel poll can repeat. */
  function take(event) {
    if (position !== undefined && Number(event.id) <= position) return;
    position = Number(event.id);
    recent.push(event);
    if (recent.length > KEPT) complete = Number(recent.shift().id);
    tell(event);
  }

  function skipTo(at) {
    position = complete = at;
    recent = [];
    tell(many(at));
  }

  function reach(at) {
    complete ??= at;
    if (position === undefined || at > position) position = at;
  }

  // -- the stream ---------------------------------------------------------------------------------------------------

  function open() {
    source?.close();
    const after = position === undefined ? "" : `&after=${position}`;
    source = new EventSource(`${EVENTS}/stream?brief=true${after}`);
    opened = Date.now();
    source.addEventListener("now", (message) => live(message) && reach(JSON.parse(message.data).position));
    source.addEventListener("position", (message) => live(message) && take(JSON.parse(message.data)));
    source.addEventListener("many", (message) => live(message) && skipTo(JSON.parse(message.data).position));
    source.addEventListener("error", ask);
  }

  /** Whether the event comes from the current stream. */
  function live(message) {
    if (message.target !== source) return false;
    heard = Date.now();
    clearTimeout(polling);
    polling = undefined;
    stand("live");
    return true;
  }

  // -- polling ------------------------------------------------------------------------------------------------------

  /** Polls now, then every 15 s until the stream answers again. */
  function ask() {
    if (polling !== undefined || looking === undefined) return;
    polling = setTimeout(again, POLL_MS);
    poll();
  }

  function again() {
    polling = undefined;
    if (source.readyState === EventSource.CLOSED) open(); // EventSource does not reconnect after a refusal
    ask();
  }

  async function poll() {
    try {
      while (await page());
    } catch {
      if (polling !== undefined) stand("offline");
    }
  }

  /** Reads one page of the feed; returns whether there is more. */
  async function page() {
    const answer = await fetch(`${EVENTS}?brief=true&limit=200&after=${position ?? "now"}`);
    if (polling === undefined) return false;
    if (answer.status === 422 && position !== undefined) return setBack();
    if (!answer.ok) throw new Error(answer.status);
    const found = await answer.json();
    stand("polling");
    found.items.forEach(take);
    reach(found.position);
    return found.next !== null;
  }

  /** The log ends before the known position: the archive was restored from a backup. */
  async function setBack() {
    position = undefined;
    const more = await page();
    if (position !== undefined) skipTo(position);
    return more;
  }

  // -- start and end ------------------------------------------------------------------------------------------------

  function begin(after) {
    looked = Date.now();
    looking = setInterval(look, LOOK_MS);
    addEventListener("online", wake);
    goFrom(after);
  }

  function goFrom(after) {
    position = complete = after;
    recent = [];
    open();
  }

  function end() {
    clearInterval(looking);
    clearTimeout(polling);
    looking = polling = state = undefined;
    removeEventListener("online", wake);
    source.close();
  }

  function wake() {
    open();
    clearTimeout(polling);
    polling = undefined;
    ask();
  }

  function look() {
    const now = Date.now();
    const slept = now - looked > 4 * LOOK_MS;
    looked = now;
    if (slept || (state === "live" && now - heard > SILENT_MS)) wake();
    else if (state !== "live" && now - opened > PATIENCE_MS) ask();
  }

  return { add, remove };
}

if ("onconnect" in globalThis) {
  const shared = follow();
  addEventListener("connect", ({ ports: [port] }) => {
    port.onmessage = ({ data }) => (data.leaves ? shared.remove(port) : shared.add(port, data.after));
  });
}
