// The user menu: a click or focus elsewhere closes it, as does Esc (keys.js).

export function start() {
  for (const menu of document.querySelectorAll("details.menu")) {
    for (const name of ["pointerdown", "focusin"]) {
      document.addEventListener(name, ({ target }) => menu.open && !menu.contains(target) && (menu.open = false));
    }
  }
}
