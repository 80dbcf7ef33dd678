// Three charts, drawn by Chart.js (vendor/chart.js), which is loaded when there is something to draw.

import { compact, count, day, duration, plural } from "./format.js";

const PALETTE = ["#2f7fd6", "#e0803a", "#3aa76d", "#8a63d2", "#c9487e", "#1ba3a8", "#b59a1c", "#7a8699"];
const MOST_FLOWS = 7;
const drawn = new Map();
let library = null;

function chartJs() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "vendor/chart.js/chart.umd.min.js";
    script.onload = () => resolve(window.Chart);
    script.onerror = () => reject(new Error("the charts could not be loaded"));
    document.head.append(script);
  });
  return library;
}

/** Draw or redraw all charts of `perDay`. */
export async function draw(places, data, names) {
  const Chart = await chartJs();
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  Chart.defaults.color = color("--fg-muted");
  Chart.defaults.borderColor = color("--border");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const labels = data.days.map((key) => day(`${key}T12:00:00`));
  show(Chart, places.records, "bar", labels, recordSets(data, names), {
    stacked: true,
    tick: compact,
    tip: (value) => `${count(value)} records`,
  });
  const minutes = (value) => duration(value * 60);
  show(Chart, places.duration, "line", labels, [medianSet(data)], {
    legend: false,
    tick: minutes,
    tip: minutes,
  });
  const outcomes = [
    bars("Succeeded", data.success, color("--fill-good")),
    bars("Failed", data.failed, color("--fill-bad")),
  ];
  show(Chart, places.success, "bar", labels, outcomes, {
    stacked: true,
    footer: (items) => rateOf(data, items[0]?.dataIndex),
    tick: count,
    tip: (value) => plural(value, "run"),
  });
}

/** One set for each flow; the smallest ones share the last. */
function recordSets({ days, flows, records }, names) {
  const many = flows.length > MOST_FLOWS + 1;
  const shown = many ? flows.slice(0, MOST_FLOWS) : flows;
  const sets = shown.map((flow, index) =>
    bars(names.get(flow) ?? flow, records.get(flow), PALETTE[index % PALETTE.length]),
  );
  if (!many) return sets;
  const rest = flows.slice(MOST_FLOWS);
  const sums = days.map((_, at) => rest.reduce((sum, flow) => sum + records.get(flow)[at], 0));
  return [...sets, bars(`${rest.length} others`, sums, PALETTE.at(-1))];
}

function medianSet({ minutes }) {
  return {
    label: "Median",
    data: minutes,
    borderColor: PALETTE[0],
    backgroundColor: PALETTE[0],
    spanGaps: true,
    tension: 0.25,
    pointRadius: 2.5,
    borderWidth: 2,
  };
}

function rateOf({ success, failed }, at) {
  const ended = (success[at] ?? 0) + (failed[at] ?? 0);
  return ended ? `${Math.floor((100 * success[at]) / ended)} % succeeded` : "";
}

const LONGEST_LABEL = 36;
const shortened = (label) => (label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL - 1)}…` : label);

const bars = (label, data, color) => ({
  label: shortened(label),
  data,
  backgroundColor: color,
  borderRadius: 2,
  maxBarThickness: 28,
});

function show(Chart, canvas, type, labels, datasets, { stacked = false, legend = true, tick, tip, footer = () => "" }) {
  if (!canvas) return; // not every chart is shown
  const label = (item) => ` ${item.dataset.label}: ${tip(item.parsed.y)}`;
  const isShown = (item) => item.parsed.y !== 0 && item.parsed.y !== null;
  const options = {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: { stacked, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 14 } },
      y: {
        stacked,
        beginAtZero: true,
        // Bars are counts: there is nothing between 0 and 1.
        ticks: { callback: tick, maxTicksLimit: 6, precision: type === "bar" ? 0 : undefined },
        border: { display: false },
      },
    },
    plugins: {
      legend: {
        display: legend && datasets.length > 0,
        position: "bottom",
        labels: { boxWidth: 10, boxHeight: 10, padding: 12 },
      },
      tooltip: { filter: isShown, callbacks: { label, footer } },
    },
  };
  drawn.get(canvas)?.destroy();
  drawn.set(canvas, new Chart(canvas, { type, data: { labels, datasets }, options }));
}
