// The one place where text becomes markup or a script's address: answers of our own server, nothing else.
// Under `require-trusted-types-for 'script'` the browser refuses all other places.

const identity = { createHTML: (text) => text, createScriptURL: (text) => text };
const policy = globalThis.trustedTypes?.createPolicy("dossier", identity) ?? identity;

/** HTML that our server made, for DOMParser. */
export const html = (text) => policy.createHTML(text);

/** The address of a script of ours, for workers. */
export const url = (text) => policy.createScriptURL(text);
