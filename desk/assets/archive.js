// Requests of scripts to the server. They wait while the server is unreachable or the user signed out, then retry with
// the same idempotency key.

import { attempt, back } from "./network.js";
import { pathOf } from "./place.js";
import { signedIn } from "./session.js";

/** 128 random bits; crypto.randomUUID is missing without TLS. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Calls a route below /v1; returns {status, ok, body}. `version` is sent as If-Match. */
export async function ask(method, path, { body, version } = {}) {
  const options = { method, headers: headersOf(method, body, version), body: body && JSON.stringify(body) };
  for (;;) {
    const answer = await attempt(path, options);
    const told = answer && (await bodyOf(answer));
    if (answer?.status === 401) await signedIn();
    else if (told === undefined) await back();
    else return { status: answer.status, ok: answer.ok, body: told };
  }
}

/** Loads a page of the desk, for the signed-in user. */
export async function visit(address, options) {
  for (;;) {
    const answer = await attempt(address, options);
    if (answer === undefined) await back();
    else if (answer.redirected && pathOf(answer.url) === "/sign-in") await signedIn();
    else return answer;
  }
}

function headersOf(method, body, version) {
  const headers = { Accept: "application/json", "Accept-Language": document.documentElement.lang };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = newKey();
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  return headers;
}

/** Returns null for an empty body, undefined if the connection broke while reading it. */
function bodyOf(answer) {
  const isJson = /\bjson\b/.test(answer.headers.get("Content-Type") ?? "");
  return isJson ? answer.json().catch(() => undefined) : Promise.resolve(null);
}
