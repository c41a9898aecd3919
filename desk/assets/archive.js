// How scripts ask the archive. They wait while it cannot be reached or nobody is signed in, and then go on by themselves:
// what is sent again has the key of the first time, so that it is taken once.

import { attempt, back } from "./network.js";
import { pathOf } from "./place.js";
import { signedIn } from "./session.js";

/** 128 random bits; crypto.randomUUID is not there without TLS. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** {status, ok, body} of a route below /v1; `version` is what If-Match is to say. */
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

/** The answer of one of our pages, to who is signed in. */
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

/** null without one; undefined when the network went away in the middle of it. */
function bodyOf(answer) {
  const isJson = /\bjson\b/.test(answer.headers.get("Content-Type") ?? "");
  return isJson ? answer.json().catch(() => undefined) : Promise.resolve(null);
}
