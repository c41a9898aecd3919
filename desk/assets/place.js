// Where the archive is: below a sub-path when it has one. A script lies at SUB-PATH/assets/DIGEST/NAME.

const base = new URL(import.meta.url).pathname.replace(/\/assets\/.*/, "");

/** A root-relative address of ours, below the sub-path. What lies there already, and other addresses, stay as they are. */
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
