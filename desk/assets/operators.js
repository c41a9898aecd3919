// The operators' screen: charts by uPlot, and regular reloading. A part in use (focus, open details) is not replaced.

import { say, whileHere } from "./parts.js";
import { swap } from "./swap.js";
import uPlot from "./vendor/uPlot.js";

const readAt = () => document.getElementById("read-at");
const tasks = () => document.getElementById("part-tasks").dataset;

function draw() {
  for (const plot of document.querySelectorAll("[data-chart]")) {
    plot.replaceChildren();
    const counts = plot.dataset.chart.split(" ").map(Number);
    new uPlot(options(plot), [counts.map((_, minute) => minute), counts], plot);
  }
}

function options(plot) {
  const line = getComputedStyle(plot).color;
  const fill = line.replace(/^rgb\((.*)\)$/, "rgba($1, 0.15)");
  return {
    width: plot.clientWidth,
    height: 112,
    legend: { show: false },
    cursor: { show: false },
    padding: [4, 0, 4, 0],
    scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high)] } },
    axes: [{ show: false }, { show: false }],
    series: [{}, { stroke: line, fill, width: 1.5, points: { show: false } }],
  };
}

const isUsed = (part) => part.contains(document.activeElement) || part.querySelector("details[open], :hover:is(button, summary)");

async function again() {
  if (document.hidden) return;
  const before = tasks().ended;
  const parts = [...document.querySelectorAll("[data-part][id]")].filter((part) => !isUsed(part)).map((part) => part.id);
  await swap(location.href, ["read-at", ...parts], { lane: "operators" });
  if (!whileHere.aborted && tasks().ended !== before) say(tasks().says);
}

draw();
document.addEventListener("swapped", draw);
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
const timer = setInterval(again, 1000 * Number(readAt().dataset.every));
whileHere.addEventListener("abort", () => clearInterval(timer));
