// Shows a page with data-dialog (search, choice, confirm, find) as a dialog. Without scripts each is a page of its own.
// The focus goes to its first field, and back when it closes.

import { isShown, pause } from "./parts.js";
import { load, take } from "./swap.js";

const TYPING_MS = 150;
const NOBODY_MS = 500; // while typing goes on, "no customer found" waits this long
const BEHAVIOUR = { search, choice };

/** The FormData of the dialog's answer, null if it was cancelled. `page` is a document of this server. */
export function askIn(page) {
  const form = document.adoptNode(page.querySelector("[data-dialog]"));
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-h");
  dialog.role = form.role === "alertdialog" ? form.role : null;
  form.removeAttribute("role");
  form.removeAttribute("aria-labelledby");
  form.className = "";
  dialog.append(form);
  document.body.append(dialog);
  BEHAVIOUR[form.dataset.dialog]?.(form);
  return answerOf(dialog, form);
}

function answerOf(dialog, form) {
  return new Promise((resolve) => {
    let answer = null;
    const asked = document.activeElement;
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      event.preventDefault();
      if (!event.submitter?.matches("[data-cancel]")) answer = new FormData(form, event.submitter);
      dialog.close();
    });
    form.addEventListener("dblclick", (event) => event.target.closest(".options label") && form.requestSubmit(ok(form)));
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return; // a search field would be cleared first
      event.preventDefault();
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      // The element that opened the dialog was replaced meanwhile, so the browser cannot return the focus to it.
      if (!asked.isConnected) document.getElementById(asked.id)?.focus();
      resolve(answer);
    });
    dialog.showModal();
  });
}

const ok = (form) => form.querySelector("[data-ok]");
const radios = (form) => [...form.querySelectorAll(".options input")].filter(isShown);

/** Arrow down moves from the field into the list of radio buttons. */
function intoList(form, field) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    const shown = radios(form);
    pick(shown.find((one) => one.checked) ?? shown[0]);
  });
}

function pick(radio) {
  if (!radio) return;
  radio.checked = true;
  radio.focus();
}

// -- Search customer ----------------------------------------------------------------------------------------------

/** The list follows the typing. Enter searches in the field and confirms in the list; a single match is selected. */
function search(form) {
  const field = form.elements.q;
  let timer;
  intoList(form, field);
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => look(form), TYPING_MS);
  });
  form.addEventListener("submit", (event) => {
    const chosen = form.querySelector("[name=customer]:checked");
    const inList = document.activeElement.name === "customer" || event.submitter === ok(form);
    if (event.submitter?.matches("[data-cancel]") || (inList && chosen)) return;
    event.preventDefault();
    clearTimeout(timer);
    if (inList) pick(radios(form)[0]);
    else look(form, { enter: true });
  });
  form.addEventListener("formdata", ({ formData }) => formData.delete("q"));
}

async function look(form, { enter = false } = {}) {
  const typed = form.elements.q.value;
  const body = new URLSearchParams([...new FormData(form), ["q", typed]]);
  const page = await load("/search", { method: "POST", body, lane: "search" }).then((got) => got.page, () => null);
  if (page && !enter && !page.querySelector(".options")) await pause(NOBODY_MS);
  if (!page || !form.isConnected || form.elements.q.value !== typed) return;
  take(page, ["found", "found-count", "found-alike"]);
  const found = radios(form);
  if (enter && found.length === 1) pick(found[0]);
}

// -- Make a choice… -----------------------------------------------------------------------------------------------

function choice(form) {
  const field = form.querySelector("#narrow");
  field.closest("[data-narrow]").hidden = false;
  intoList(form, field);
  field.addEventListener("input", () => narrow(form, fold(field.value)));
}

/** Shows only types with a word that begins with the text; selects the first, so that Enter is enough. */
function narrow(form, wanted) {
  for (const item of form.querySelectorAll(".options li")) {
    const words = fold(item.querySelector("b").textContent);
    item.hidden = !` ${words}`.includes(` ${wanted}`);
  }
  for (const title of form.querySelectorAll(".kind")) {
    title.hidden = !title.nextElementSibling.querySelector("li:not([hidden])");
  }
  const shown = radios(form);
  if (wanted && shown.length && !shown.some((one) => one.checked)) shown[0].checked = true;
}

const fold = (text) => text.trim().toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
