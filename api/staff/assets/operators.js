// The operators' screen: charts by uPlot, each with its table beside it, and what stands there read again.

import { swap } from "./swap.js";
import uPlot from "./vendor/uPlot.js";

const place = () => document.getElementById("seen");

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

async function again() {
  const busy = document.hidden || place().contains(document.activeElement) || place().querySelector("details[open]");
  if (!busy) await swap(location.href, ["seen", "read-at"], { lane: "operators" });
}

draw();
document.addEventListener("swapped", draw);
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
setInterval(again, 1000 * Number(place().dataset.every));
