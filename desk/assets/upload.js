// Select file: button, drop and paste choose files alike. Each file is sent with its true progress; after a network
// failure it is sent again with the same key, so that it is stored once.

import { fetched, inTurn, refresh, showWhole } from "./add.js";
import { ask } from "./archive.js";
import { back, forUser, isNone } from "./network.js";
import { pause } from "./parts.js";
import { at } from "./place.js";
import { signedIn } from "./session.js";
import * as unsent from "./unsent.js";

const STALLED_MS = 30_000;
const ATTEMPTS = 5;
const FIELDS = ["customer", "type", "note", "received_on", "signed_on", "ground", "scan_code", "check_token", "duplicate"];
const PDF_END_BYTES = 4_096;
/** First bytes of file types that are never accepted, with the server's name for each. */
const NEVER_TAKEN = [[/^MZ/, "EXE"], [/^\x7fELF/, "EXE"], [/^#!/, "script"], [/^7z\xbc\xaf|^Rar!|^\x1f\x8b/, "archive"]];
const OF_THE_FILE = ["file-empty", "content-too-large", "file-type-not-allowed", "file-damaged", "file-password-protected", "duplicate-content"];
const UNITS = [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]];

class FileUpload extends HTMLElement {
  chosen = [];
  count = 0;
  busy = false;

  connectedCallback() {
    const quiet = (this.ended = new AbortController()).signal;
    this.form = this.closest("form");
    this.input = this.querySelector("input[type=file]");
    this.pick = this.querySelector("#pick");
    for (const part of this.querySelectorAll("[data-pick], [data-drop]")) part.hidden = false;
    Object.assign(this.input, { hidden: true, required: false, multiple: true });
    this.pick.addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => this.add(this.input.files));
    this.querySelector("[data-clear]").addEventListener("click", () => this.keep([]));
    document.addEventListener("drop", (event) => this.add(event.dataTransfer?.files), { signal: quiet });
    document.addEventListener("paste", (event) => this.add(event.clipboardData?.files), { signal: quiet });
    document.addEventListener("click", (event) => event.target.closest?.("[data-anyway]") && this.again(event.target), { signal: quiet });
  }

  disconnectedCallback() {
    this.ended.abort();
    this.forget(this.chosen);
    this.preview(undefined);
  }

  /** The text of the button; empty while no file is chosen. */
  get named() {
    return this.nameOf(this.chosen);
  }

  /** For "Check before saving": the files that Save would send for this customer and type, without those that were
   *  refused for them or are already saved. */
  usable({ customer, type }) {
    const isRefused = (one) => one.wrong || (isOfTheFile(one.problem) && one.refusedFor === `${customer} ${type}` && !one.anyway);
    return this.nameOf(this.chosen.filter((one) => !one.saved && !isRefused(one)));
  }

  nameOf(files) {
    return files.length > 1 ? this.dataset.several.replace("{count}", files.length) : (files[0]?.name ?? "");
  }

  get asOne() {
    return this.chosen.length > 1 && this.querySelector("[name=as][value=one]").checked;
  }

  // -- choosing ---------------------------------------------------------------------------------------------------

  async add(files) {
    if (!files?.length || this.busy) return;
    const given = [...files];
    this.input.value = ""; // so that the same file can be chosen again
    const added = await Promise.all(given.map((file) => this.lookedAt(file)));
    const kept = this.chosen.filter((one) => this.chosen.length > 1 || one.saved);
    const fresh = added.filter(({ file }) => !kept.some((one) => isSame(one.file, file)));
    this.keep([...kept, ...fresh]);
    if (fresh.length < added.length) this.twice(added.find((one) => !fresh.includes(one)));
  }

  /** A file with what is known before sending; `wrong` says why it cannot be saved. */
  async lookedAt(file) {
    const key = `${this.form.dataset.key}-${this.count++}`;
    const start = await textOf(file.slice(0, 1_024));
    const end = start.startsWith("%PDF") ? await textOf(file.slice(-PDF_END_BYTES)) : "";
    return { file, name: shownName(file), key, isPdf: start.startsWith("%PDF"), wrong: this.seen(file, start), isLocked: /\/Encrypt\b/.test(start + end) };
  }

  twice({ name }) {
    const note = document.getElementById("partial").content.cloneNode(true).firstElementChild;
    note.querySelector("h2").textContent = this.dataset.twice.replace("{name}", name);
    document.getElementById("alert").replaceChildren(note);
  }

  keep(chosen) {
    this.forget(this.chosen.filter((one) => !chosen.includes(one)));
    this.chosen = chosen;
    if (chosen.length > 0 && chosen.every((one) => one.saved)) return this.done(chosen);
    document.getElementById("alert").replaceChildren();
    const label = this.named || this.pick.dataset.label;
    this.pick.dataset.label ??= this.pick.textContent.trim();
    this.pick.querySelector("span").textContent = this.named || this.pick.dataset.label;
    this.pick.classList.toggle("need", !this.named);
    if (this.named) this.pick.setAttribute("aria-label", this.dataset.chosen.replace("{name}", label));
    else this.pick.removeAttribute("aria-label");
    this.querySelector("[data-clear]").hidden = chosen.length !== 1;
    this.querySelector("[data-how]").hidden = chosen.length < 2;
    const rows = this.querySelector("[data-files]");
    rows.replaceChildren(...chosen.map((one) => this.row(one)));
    rows.classList.toggle("one", chosen.length === 1);
    this.preview(chosen.length === 1 ? chosen[0].file : undefined);
    refresh({}, ["rail"]);
    return this.warn(chosen);
  }

  /** Reports a wrong file as soon as it is chosen; Save sends the others. */
  async warn(chosen) {
    const wrong = chosen.filter((one) => one.wrong && !one.saved);
    for (const one of wrong) one.note = await this.words(one, one.wrong);
    if (wrong.length === 0 || this.chosen !== chosen) return;
    if (chosen.length > 1) for (const one of wrong) this.mark(one, one.note.querySelector("h2").textContent);
    else document.getElementById("alert").replaceChildren(wrong[0].note);
  }

  mark(one, text) {
    this.say(one, text);
    one.row.classList.add("todo");
  }

  forget(files) {
    for (const one of files) if (one.view) URL.revokeObjectURL(one.view);
  }

  row(one) {
    const row = this.querySelector("template").content.cloneNode(true).firstElementChild;
    row.querySelector("[data-name]").textContent = one.name;
    for (const which of row.querySelectorAll("[data-which]")) which.textContent = ` ${one.name}`;
    row.querySelector("progress").setAttribute("aria-label", one.name);
    if (one.isPdf && !one.saved) this.offer(one, row.querySelector("[data-view]"));
    const remove = row.querySelector("[data-remove]");
    remove.hidden = this.chosen.length < 2;
    remove.addEventListener("click", () => this.busy || this.keep(this.chosen.filter((other) => other !== one)));
    one.row = row;
    this.say(one, this.about(one));
    return row;
  }

  /** Opens an unsaved PDF in the browser's viewer, never as a page of this host. */
  offer(one, link) {
    one.view ??= URL.createObjectURL(new Blob([one.file], { type: "application/pdf" }));
    Object.assign(link, { href: one.view, hidden: false });
  }

  about({ file, isLocked }) {
    return isLocked ? `${sizeOf(file.size)}. ${this.dataset.locked}` : sizeOf(file.size);
  }

  say(one, text, percent) {
    const bar = one.row.querySelector("progress");
    one.row.querySelector("[data-state]").textContent = text;
    bar.hidden = percent === undefined;
    if (percent !== undefined) bar.value = percent;
  }

  /** Previews a picture locally; the server makes the first page of other files after saving. */
  preview(file) {
    const image = this.querySelector("[data-preview] img");
    if (image.src) URL.revokeObjectURL(image.src);
    const isPicture = file !== undefined && /^image\/(jpeg|png|webp|gif|bmp|avif)$/.test(file.type);
    this.querySelector("[data-preview]").hidden = !isPicture;
    if (isPicture) image.src = URL.createObjectURL(file);
    else image.removeAttribute("src");
  }

  // -- saving -----------------------------------------------------------------------------------------------------

  /** Saves all files, once per press. `next`: keep the customer. A look-up waits for the end, so that all files go to
   *  the same customer. */
  async save(next) {
    if (this.busy) return undefined;
    this.hold(true);
    return inTurn(() => this.sendAll(next)).finally(() => this.hold(false));
  }

  /** Locks the source during an upload and shows progress on Save. */
  hold(busy) {
    this.busy = busy;
    document.getElementById("sources").inert = busy;
    if (busy) this.buttons = document.querySelectorAll("#save, #save-next");
    for (const button of this.buttons) {
      if (busy) wait(button);
      else for (const name of ["aria-disabled", "aria-describedby"]) button.removeAttribute(name);
    }
  }

  async sendAll(next) {
    this.next = next;
    this.given = Object.fromEntries(new FormData(this.form));
    for (const { name, value } of this.form.querySelectorAll("[data-day]")) this.given[name] = dayOf(value);
    const waiting = this.chosen.filter((one) => !one.saved);
    for (const one of waiting) one.problem = undefined;
    if (this.asOne) await this.saveAsOne(waiting);
    else for (const one of waiting) if (!(await this.saveOne(one))) break;
    await this.tell();
  }

  /** Whether to try the next file: not after a refusal of fields, which all files share. */
  async saveOne(one) {
    if (one.wrong) return this.note(one, { problem: one.wrong });
    unsent.begun(one.key, one.name, this.given.customer);
    const answer = await this.send(one, "POST", "/v1/documents", this.formOf(one), one.file.size);
    unsent.ended(one.key);
    return this.note(one, answer);
  }

  note(one, { problem, body }) {
    one.saved = body && (body.evidence ?? body.id);
    one.at = body?.position;
    one.problem = problem;
    one.refusedFor = `${this.given.customer} ${this.given.type}`;
    return !problem?.errors?.length;
  }

  /** Refuses without sending what the browser can judge. `start`: the first bytes. */
  seen(file, start) {
    if (file.size === 0) return { type: "/problems/file-empty" };
    if (file.size > Number(this.dataset.limit)) return { type: "/problems/content-too-large" };
    const [, found] = NEVER_TAKEN.find(([sign]) => sign.test(start)) ?? [];
    const kind = found ?? (/^(audio|video)\//.test(file.type) ? file.type : undefined);
    return kind && { type: "/problems/file-type-not-allowed", found: kind, status: 415 };
  }

  fields(one) {
    const given = { ...this.given, ...(one.anyway && { duplicate: "allow" }) };
    return FIELDS.filter((name) => given[name]).map((name) => [name, given[name]]);
  }

  formOf(one) {
    const form = new FormData();
    for (const [name, value] of this.fields(one)) form.append(name, value);
    form.append("file", one.file, one.file.name);
    return form;
  }

  /** Combines pictures into one document, as a scan session without a scanner. */
  async saveAsOne(pages) {
    if (pages.some(({ file }) => !this.dataset.pictures.split(" ").includes(file.type))) return this.mixed(pages);
    const bad = pages.find(({ wrong }) => wrong);
    if (bad) return this.note(bad, { problem: bad.wrong });
    const made = await ask("POST", "/v1/scan-sessions", { body: {} });
    if (!made.ok) return this.note(pages[0], { problem: made.body ?? { type: "/problems/unavailable" } });
    const at = `/v1/scan-sessions/${made.body.id}`;
    for (const page of pages) unsent.begun(page.key, page.name, this.given.customer);
    try {
      return await this.sendPages(at, pages);
    } finally {
      for (const page of pages) unsent.ended(page.key);
    }
  }

  async sendPages(at, pages) {
    for (const [n, page] of pages.entries()) {
      const { problem } = await this.send(page, "PUT", `${at}/pages/${n + 1}`, page.file, page.file.size);
      if (problem) return this.giveUp(at, page, problem);
      unsent.ended(page.key);
    }
    const answer = await ask("POST", `${at}/archive`, { body: Object.fromEntries(this.fields(pages[0])) });
    if (!answer.ok) return this.giveUp(at, pages[0], answer.body);
    for (const page of pages) this.note(page, { body: answer.body });
    return undefined;
  }

  async giveUp(session, page, problem) {
    await ask("DELETE", session);
    this.note(page, { problem });
  }

  mixed(pages) {
    this.note(pages[0], { problem: { type: "/problems/mixed", title: this.dataset.mixed } });
  }

  /** Returns {body} or {problem}. Continues after loss of the connection or of the session. */
  async send(one, method, address, content, size) {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.attempt(one, method, address, content, size);
      if (answer === undefined) {
        if (!(await isReadable(one.file))) return { problem: { type: "/problems/file-damaged" } };
        await back();
      } else if (answer.status === 401) await signedIn();
      else if (isLater(answer) && attempt < ATTEMPTS) await pause(1_000 * (answer.after || 2));
      else return answer.status < 300 ? { body: answer.body } : { problem: answer.body };
    }
  }

  attempt(one, method, address, content, size) {
    const request = new XMLHttpRequest();
    let percent = 0;
    let timer;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED_MS);
    };
    request.open(method, at(address));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Accept-Language", document.documentElement.lang);
    for (const [name, value] of Object.entries(forUser)) request.setRequestHeader(name, value);
    if (method === "POST") request.setRequestHeader("Idempotency-Key", one.key);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      watch();
      percent = Math.floor((100 * loaded) / total);
      unsent.moved(one.key, percent);
      this.say(one, this.dataset.sent.replace("{percent}", percent).replace("{size}", sizeOf(size)), percent);
    });
    request.upload.addEventListener("load", () => {
      clearTimeout(timer);
      this.say(one, this.dataset.storing, 100);
    });
    return new Promise((resolve) => {
      request.addEventListener("loadend", () => {
        clearTimeout(timer);
        if (isNone(request.status)) this.say(one, this.dataset.lost.replace("{percent}", percent), percent);
        resolve(isNone(request.status) ? undefined : answerOf(request));
      });
      watch();
      request.send(content);
    });
  }

  // -- results ----------------------------------------------------------------------------------------------------

  async tell() {
    const saved = this.chosen.filter((one) => one.saved);
    const refused = this.chosen.filter((one) => one.problem);
    if (saved.length === this.chosen.length) return this.done(saved);
    for (const one of this.chosen) if (!one.saved) this.say(one, this.about(one));
    for (const one of saved) this.finished(one);
    for (const one of refused) one.note = await this.words(one, one.problem);
    if (this.chosen.length > 1 && !this.asOne) this.tellEach(refused);
    document.getElementById("alert").replaceChildren(this.summary(saved, refused));
    document.querySelector("[data-summary]")?.focus();
    refresh({}, ["rail"]);
    return undefined;
  }

  async done(saved) {
    const query = new URLSearchParams([["source", "file"], ["at", Math.max(...saved.map((one) => one.at))]]);
    for (const paper of new Set(saved.map((one) => one.saved))) query.append("saved", paper);
    if (this.next) query.set("customer", this.given.customer);
    showWhole(await fetched(`/add?${query}`));
  }

  finished(one) {
    this.say(one, this.dataset.saved);
    one.row.classList.remove("todo");
    const view = one.row.querySelector("[data-view]");
    Object.assign(view, { hidden: false, href: at(`/documents/${one.saved}`) });
    view.parentElement.replaceChildren(view);
  }

  /** Renders the refusal with /add/refused. */
  async words({ file, name }, problem) {
    const body = new URLSearchParams({ problem: JSON.stringify(problem), name, size: file.size });
    const page = await fetched("/add/refused", { method: "POST", body });
    const note = document.adoptNode(page.querySelector("[data-summary]"));
    for (const button of note.querySelectorAll("[data-anyway]")) button.hidden = false;
    return note;
  }

  tellEach(refused) {
    for (const { row, note } of refused) {
      row.querySelector("[data-state]").textContent = `${this.dataset.not}: ${note.querySelector("h2").textContent}`;
      row.classList.add("todo");
      for (const act of row.querySelectorAll(".acts > :not([data-remove], [data-view])")) act.remove();
      row.querySelector(".acts").prepend(...(note.querySelector(".acts")?.children ?? []));
    }
  }

  /** Shows one file's refusal, a refusal of shared fields, or how many files were saved. */
  summary(saved, refused) {
    const shared = refused.find((one) => one.problem.errors?.length);
    if (shared || this.asOne || this.chosen.length === 1) return (shared ?? refused[0]).note;
    const note = document.getElementById("partial").content.cloneNode(true).firstElementChild;
    const words = this.dataset.partial.replace("{saved}", saved.length).replace("{all}", this.chosen.length);
    note.querySelector("h2").textContent = words;
    return note;
  }

  /** Add anyway: for the file of its row, or the only file. */
  again(button) {
    const row = button.closest("li");
    for (const one of this.chosen) if (!row || one.row === row) one.anyway = true;
    this.save(this.next);
  }
}

/** A press during an upload points at the progress. */
function wait(button) {
  button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-describedby", "files");
}

/** A typed day in the API's format; the rule is in domain/values.py. */
function dayOf(text) {
  const [, day, month, year] = /^\s*(\d{1,2})[-./ ](\d{1,2})[-./ ](\d{4})\s*$/.exec(text) ?? [];
  return year ? `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : text;
}

/** A problem found here, neither of a field nor of the server. */
const isOfTheFile = (problem) => OF_THE_FILE.includes(problem?.type.replace(/.*\//, ""));
/** A file's name without invisible characters, as domain/file_name.py shows it after saving; the joiners stay. */
const shownName = ({ name }) => name.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu, "") || "unnamed";
const isSame = (one, other) =>
  one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
const isLater = ({ status }) => [429, 503].includes(status);
/** The first bytes as text, one character each; "" if the file is gone. */
const textOf = (part) => part.arrayBuffer().then((bytes) => new TextDecoder("latin1").decode(bytes), () => "");
const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

function answerOf(request) {
  const isJson = /\bjson\b/.test(request.getResponseHeader("Content-Type") ?? "");
  const body = isJson ? JSON.parse(request.responseText) : { type: "/problems/internal-error", status: request.status };
  return { status: request.status, body, after: Number(request.getResponseHeader("Retry-After")) };
}

/** 1.2 MB, as in render.py. */
function sizeOf(bytes) {
  const [name, unit] = UNITS.find(([, least]) => bytes >= least) ?? ["B", 1];
  const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
  return `${number.format(bytes / unit)} ${name}`;
}

customElements.define("file-upload", FileUpload);
