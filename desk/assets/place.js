// The address of the server: below a sub-path if it has one. Scripts are at SUB-PATH/assets/DIGEST/NAME.

const base = new URL(import.meta.url).pathname.replace(/\/assets\/.*/, "");

/** A root-relative address, below the sub-path. Other addresses stay unchanged. */
export function at(address) {
  const isOurs = address.startsWith("/") && !address.startsWith("//");
  return isOurs && !isBelow(address) ? base + address : address;
}

/** The path of an address without the sub-path. */
export function pathOf(address) {
  const { pathname } = new URL(address, location.href);
  return isBelow(pathname) ? pathname.slice(base.length) : pathname;
}

const isBelow = (path) => base !== "" && (path === base || path.startsWith(`${base}/`) || path.startsWith(`${base}?`));
