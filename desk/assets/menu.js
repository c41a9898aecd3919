// The user menu: closed by a press or a focus elsewhere. Esc closes it too (keys.js); without scripts its name does.

export function start() {
  for (const menu of document.querySelectorAll("details.menu")) {
    for (const name of ["pointerdown", "focusin"]) {
      document.addEventListener(name, ({ target }) => menu.open && !menu.contains(target) && (menu.open = false));
    }
  }
}
