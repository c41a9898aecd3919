// The pages of a document: current page, zoom, rotation. Pictures are loaded near the view, in a larger size when
// zoomed, and released far from it, so that 1,000 pages take no more memory than 20. Rotation is not saved. Without
// scripts the pages are a list.

import { whileHere } from "./parts.js";

const STEPS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3];
const WIDTHS = [1000, 1600, 2400];
const NEAR = "150% 0px";
const A4 = 608 / 860;
const MARGIN_PX = 8;

const acts = document.getElementById("viewer-acts");
const well = document.getElementById("pages");
const list = well.querySelector(".pages");
const pages = [...list.children];
const seen = new Map(); // the visible share of each page

let zoom = 1;
let width = WIDTHS[0];
let current = pages[0];

function start() {
  well.classList.add("scrolls");
  acts.hidden = false;
  acts.addEventListener("click", ({ target }) => DO[target.closest("[data-do]")?.dataset.do]?.());
  document.querySelector(".thumbs").addEventListener("click", choose);
  for (const page of pages) {
    page.firstElementChild.addEventListener("load", () => shape(page));
    shape(page);
  }
  observe(near, { root: well, rootMargin: NEAR });
  observe(look, { root: well, threshold: [0, 0.1, 0.25, 0.5, 0.75, 1] });
  say();
}

const DO = {
  previous: () => go(pages[pages.indexOf(current) - 1]),
  next: () => go(pages[pages.indexOf(current) + 1]),
  smaller: () => size(STEPS.findLast((step) => step < zoom) ?? zoom),
  larger: () => size(STEPS.find((step) => step > zoom) ?? zoom),
  fit: () => size(Math.min(1, (zoom * (well.clientHeight - 2 * MARGIN_PX)) / current.offsetHeight)),
  rotate,
};

function observe(notice, options) {
  const observer = new IntersectionObserver((entries) => entries.forEach(notice), options);
  for (const page of pages) observer.observe(page);
  whileHere.addEventListener("abort", () => observer.disconnect());
}

// -- loading --------------------------------------------------------------------------------------------------------

/** Loads a picture near the view and releases it far from it, even while it is loading. */
function near({ isIntersecting, target }) {
  if (isIntersecting) draw(target);
  else if (target !== current) target.firstElementChild.removeAttribute("src");
}

function draw(page) {
  const [path, query] = well.dataset.address.split("?");
  const address = `${path}${page.dataset.n}?${query ? `${query}&` : ""}width=${width}`;
  const picture = page.firstElementChild;
  picture.loading = "eager";
  if (picture.getAttribute("src") !== address) picture.src = address;
}

/** A page keeps its size while its picture is released. */
function shape(page) {
  const { naturalWidth, naturalHeight } = page.firstElementChild;
  if (naturalWidth) page.dataset.ratio = naturalWidth / naturalHeight;
  const ratio = Number(page.dataset.ratio ?? A4);
  const degrees = Number(page.dataset.degrees ?? 0);
  const onSide = degrees % 180 !== 0;
  page.style.aspectRatio = onSide ? 1 / ratio : ratio;
  page.style.setProperty("--wide", onSide ? ratio : 1);
  page.style.setProperty("--turn", `${degrees}deg`);
}

// -- zoom and rotation ----------------------------------------------------------------------------------------------

function size(step) {
  zoom = step;
  list.style.setProperty("--zoom", zoom);
  document.getElementById("zoom-now").textContent = `${Math.round(zoom * 100)}%`;
  disable("smaller", zoom <= STEPS[0]);
  disable("larger", zoom >= STEPS.at(-1));
  const wanted = list.clientWidth * devicePixelRatio;
  width = WIDTHS.find((one) => one >= wanted) ?? WIDTHS.at(-1);
  for (const page of pages) if (page.firstElementChild.hasAttribute("src") && (seen.get(page) || page === current)) draw(page);
  go(current);
}

function rotate() {
  current.dataset.degrees = (Number(current.dataset.degrees ?? 0) + 90) % 360;
  shape(current);
}

/** Keeps the focus on the pressed button. */
function disable(name, isOff) {
  const button = acts.querySelector(`[data-do=${name}]`);
  if (isOff && button === document.activeElement) well.focus({ preventScroll: true });
  button.disabled = isOff;
}

// -- current page ---------------------------------------------------------------------------------------------------

function look({ intersectionRect, target }) {
  seen.set(target, intersectionRect.height);
  const most = pages.reduce((best, page) => ((seen.get(page) ?? 0) > (seen.get(best) ?? 0) ? page : best), pages[0]);
  if (most !== current) {
    current = most;
    say();
  }
}

function choose(event) {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  go(document.querySelector(link.getAttribute("href")));
  well.focus({ preventScroll: true });
}

function go(page) {
  if (!page) return;
  current = page;
  well.scrollTop = page.offsetTop - MARGIN_PX;
  say();
}

function say() {
  const at = pages.indexOf(current);
  const now = document.getElementById("page-now");
  now.textContent = now.dataset.words.replace("{n}", current.dataset.n).replace("{count}", well.dataset.count);
  disable("previous", at === 0);
  disable("next", at === pages.length - 1);
  for (const link of document.querySelectorAll(".thumbs a")) {
    const isIt = link.getAttribute("href") === `#${current.id}`;
    if (isIt && !link.hasAttribute("aria-current")) reveal(link, link.closest(".thumbs"));
    if (isIt) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** Scrolls only the strip: scrollIntoView() would scroll the page too. */
function reveal(link, strip) {
  const box = link.getBoundingClientRect();
  const room = strip.getBoundingClientRect();
  const beyond = (low, high, from, to) => Math.min(0, low - from) + Math.max(0, high - to);
  strip.scrollBy(beyond(box.left, box.right, room.left, room.right), beyond(box.top, box.bottom, room.top, room.bottom));
}

start();
