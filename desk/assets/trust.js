// The only place that turns text into markup or a script address: answers of this server. `require-trusted-types-for
// 'script'` makes the browser refuse all others.

const identity = { createHTML: (text) => text, createScriptURL: (text) => text };
const policy = globalThis.trustedTypes?.createPolicy("dossier", identity) ?? identity;

/** HTML of this server, for DOMParser. */
export const html = (text) => policy.createHTML(text);

/** The address of a script of this server, for workers. */
export const url = (text) => policy.createScriptURL(text);
