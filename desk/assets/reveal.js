// Shows or hides the typed password.

for (const place of document.querySelectorAll("[data-reveal]")) {
  const input = place.querySelector("input");
  const button = place.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    input.focus();
  });
}
