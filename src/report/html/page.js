"use strict";
// The page's behavior: sorting and filtering the overview, the Pareto plot, the bars per layer.
// Everything it shows was written into the element `data` by systolab; nothing is fetched.

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A number with a few significant digits and no exponent. */
function significant(value, digits = 4) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(20, Math.max(0, decimals)));
}

function options(select, names) {
  select.replaceChildren(...names.map((name, index) => new Option(name, String(index))));
}

const unique = (values) => [...new Set(values)];

// ---- Overview: sort by a column, filter by words --------------------------------------------------

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const number = (text) => parseFloat(text.replace("−", "-"));
  for (const button of table.querySelectorAll("thead button")) {
    button.addEventListener("click", () => {
      const header = button.parentElement;
      const column = header.cellIndex;
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [row.cells[column].textContent, row]);
      const numeric = rows.every(([text]) => text === "" || text === "—" || !Number.isNaN(number(text)));
      const key = ([text]) => (Number.isNaN(number(text)) ? Infinity : number(text));
      rows.sort((a, b) => (numeric ? key(a) - key(b) || 0 : a[0].localeCompare(b[0], "en", { numeric: true })));
      if (!ascending) rows.reverse();
      body.append(...rows.map(([, row]) => row));
    });
  }
}

function filterOverview() {
  const words = element("overview-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...element("overview-table").tBodies[0].rows];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  element("overview-count").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
}
if (element("overview-filter")) {
  element("overview-filter").addEventListener("input", filterOverview);
  filterOverview();
}

// ---- How points and bars look: a color and a shape or pattern each, apart in greyscale -------------

const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#f0e442"];
const SHAPES = ["circle", "rect", "triangle", "rectRot", "crossRot", "star"];
const KNOWN = ["bf16", "w8a8", "mostly-4-bit", "w4a4"];
const precisions = unique(data.points.map((point) => point.precision)).sort((a, b) => rank(a) - rank(b));
function rank(precision) {
  const at = KNOWN.indexOf(precision);
  return at < 0 ? KNOWN.length : at;
}
function look(precision) {
  const others = precisions.filter((other) => !KNOWN.includes(other));
  const at = KNOWN.includes(precision) ? KNOWN.indexOf(precision) : KNOWN.length + others.indexOf(precision);
  return { fill: COLORS[at % COLORS.length], shape: SHAPES[at % SHAPES.length] };
}

/** A fill that is told from its neighbors without its color: plain, or lines of another direction. */
function pattern(index) {
  const size = 8;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const paint = canvas.getContext("2d");
  paint.fillStyle = COLORS[index % COLORS.length];
  paint.fillRect(0, 0, size, size);
  paint.strokeStyle = index % 2 ? "#000" : "#fff";
  paint.lineWidth = 1.5;
  const line = (...points) => {
    paint.beginPath();
    points.forEach(([x, y], at) => (at ? paint.lineTo(x, y) : paint.moveTo(x, y)));
    paint.stroke();
  };
  const half = size / 2;
  switch (index % 8) {
    case 0: break;
    case 1: line([-1, size + 1], [size + 1, -1]); break;
    case 2: line([-1, -1], [size + 1, size + 1]); break;
    case 3: line([0, half], [size, half]); break;
    case 4: line([half, 0], [half, size]); break;
    case 5: line([half, 0], [half, size]); line([0, half], [size, half]); break;
    case 6: line([-1, size + 1], [size + 1, -1]); line([-1, -1], [size + 1, size + 1]); break;
    default: paint.fillStyle = "#000"; paint.fillRect(half - 1, half - 1, 2, 2);
  }
  return paint.createPattern(canvas, "repeat");
}

function scaleColors(scale) {
  return { ...scale, grid: { color: color("--grid") }, ticks: { ...scale.ticks, color: color("--text") }, title: { display: true, color: color("--text"), text: scale.text } };
}

Chart.defaults.animation = false;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;

// ---- Pareto plot -----------------------------------------------------------------------------------

const COSTS = [
  { name: "modelled energy per image", unit: "µJ", of: (p) => p.energy_per_image_uj, low: (p) => p.energy_low_uj, high: (p) => p.energy_high_uj },
  { name: "latency of the request", unit: "µs", of: (p) => p.latency_s * 1e6 },
  { name: "energy-delay product per image", unit: "µJ·µs", of: (p) => (p.energy_per_image_uj * p.latency_s * 1e6) / p.batch },
  { name: "linear cost (AQT)", unit: "bits", of: (p) => p.cost_linear },
  { name: "quadratic cost (AQT)", unit: "bits²", of: (p) => p.cost_quadratic },
];

/** Points that may share an axis: the same family, accuracy, technology, exclusions and request. */
function comparable(point) {
  const source = point.accuracy_kind === "measured" ? point.evaluation_set : point.citation || point.accuracy_source;
  return `${point.family}: ${point.accuracy_kind} (${source}), ${point.regime}, batch ${point.batch}, ${point.technology}`;
}

const usable = data.points.filter((point) => point.top1_percent !== null && point.latency_s !== null);
const sets = unique(usable.map(comparable)).sort((a, b) => b.includes("measured") - a.includes("measured"));

/** The exact front: cheapest first, each better than all before; ties in both are kept. */
function front(points, cost) {
  const kept = [];
  for (const point of [...points].sort((a, b) => cost.of(a) - cost.of(b) || b.top1_percent - a.top1_percent)) {
    const last = kept[kept.length - 1];
    const ties = last && cost.of(point) === cost.of(last) && point.top1_percent === last.top1_percent;
    if (!last || point.top1_percent > last.top1_percent || ties) kept.push(point);
  }
  return kept;
}

function describe(point, cost) {
  const interval = point.top1_low === null ? "" : ` (${significant(point.top1_low)} to ${significant(point.top1_high)})`;
  const range = cost.low ? ` (${significant(cost.low(point), 3)} to ${significant(cost.high(point), 3)})` : "";
  const source = point.accuracy_kind === "measured" ? `measured on ${point.evaluation_set}, n = ${point.n}` : point.accuracy_source;
  return [
    `${point.network} on ${point.design}, ${point.precision}`,
    `top-1 ${significant(point.top1_percent)} %${interval}, ${source}`,
    `${cost.name} ${significant(cost.of(point))} ${cost.unit}${range}`,
    ...(point.note ? [point.note] : []),
  ];
}

/** Vertical lines over the intervals of top-1. */
const intervals = {
  id: "intervals",
  beforeDatasetsDraw(chart) {
    const { ctx, scales } = chart;
    ctx.save();
    ctx.lineWidth = 1;
    for (const set of chart.data.datasets.filter((set) => set.points)) {
      ctx.strokeStyle = set.borderColor;
      for (const { x, point } of set.data) {
        if (point.top1_low === null) continue;
        const at = scales.x.getPixelForValue(x);
        ctx.beginPath();
        ctx.moveTo(at, scales.y.getPixelForValue(point.top1_low));
        ctx.lineTo(at, scales.y.getPixelForValue(point.top1_high));
        ctx.stroke();
      }
    }
    ctx.restore();
  },
};

let pareto = null;

function choices(id, names, changed) {
  const boxes = names.map((name) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: true, value: name });
    box.addEventListener("change", changed);
    const label = document.createElement("label");
    label.append(box, name);
    return label;
  });
  element(id).append(...boxes);
}
const chosen = (id) => [...element(id).querySelectorAll("input:checked")].map((box) => box.value);

function drawPareto() {
  const cost = COSTS[element("pareto-cost").value];
  const set = sets[element("pareto-set").value];
  const [designs, shown] = [chosen("pareto-designs"), chosen("pareto-precisions")];
  const points = usable.filter(
    (p) => comparable(p) === set && designs.includes(p.design) && shown.includes(p.precision) && cost.of(p) > 0,
  );
  const best = front(points, cost);
  const dataset = (precision) => {
    const { fill, shape } = look(precision);
    const line = (shape) => shape === "star" || shape === "crossRot"; // drawn by their border alone
    const data = points.filter((p) => p.precision === precision).map((p) => ({ x: cost.of(p), y: p.top1_percent, point: p }));
    return { label: precision, data, points: true, showLine: false, backgroundColor: fill, borderColor: fill, pointStyle: shape, pointRadius: 6, pointHoverRadius: 9, pointBorderColor: line(shape) ? fill : color("--text"), pointBorderWidth: line(shape) ? 2 : 1 };
  };
  const line = {
    label: "Pareto front of what is shown",
    data: best.map((p) => ({ x: cost.of(p), y: p.top1_percent })),
    stepped: "before", showLine: true, pointRadius: 0, pointHitRadius: 0, pointStyle: "line",
    borderColor: color("--dim"), backgroundColor: color("--dim"), borderWidth: 2,
  };
  const values = points.flatMap((p) => [p.top1_low ?? p.top1_percent, p.top1_high ?? p.top1_percent]);
  const costs = points.length ? points.map(cost.of) : [1];
  const logarithmic = element("pareto-log").checked;
  const x = {
    type: logarithmic ? "logarithmic" : "linear",
    text: `${cost.name} (${cost.unit}${logarithmic ? ", log scale" : ""})`,
    ticks: { callback: (value) => significant(value, 2), maxTicksLimit: 12 },
    ...(logarithmic ? { min: Math.min(...costs) / 1.2, max: Math.max(...costs) * 1.2 } : { grace: "5%", beginAtZero: true }),
  };
  const y = { text: "top-1 (%)", ticks: {}, suggestedMin: Math.min(...values) - 0.1, suggestedMax: Math.max(...values) + 0.1 };
  pareto ??= new Chart(element("pareto-chart"), {
    type: "scatter",
    data: { datasets: [] },
    plugins: [intervals],
    options: { maintainAspectRatio: false, onHover: (_, items) => say(items), onClick: (_, items) => only(items) },
  });
  pareto.data.datasets = [...precisions.filter((p) => points.some((q) => q.precision === p)).map(dataset), line];
  pareto.options.scales = { x: scaleColors(x), y: scaleColors(y) };
  pareto.options.plugins = {
    legend: { labels: { usePointStyle: true, color: color("--text") } },
    tooltip: { filter: (item) => item.raw.point, callbacks: { title: () => "", label: (item) => describe(item.raw.point, cost) } },
  };
  pareto.update();
  const excluded = unique(points.map((p) => p.energy_excluded)).join("; ");
  element("pareto-note").textContent =
    (cost.low ? `Modelled energy excludes: ${excluded || "nothing stated"}. ` : "") +
    `${points.length} ${points.length === 1 ? "point" : "points"} shown, ${best.length} on the front.`;
  element("pareto-front").tBodies[0].replaceChildren(...best.map((p) => {
    const row = document.createElement("tr");
    for (const cell of [p.design, p.network, p.precision, significant(p.top1_percent), significant(cost.of(p))]) row.insertCell().textContent = cell;
    return row;
  }));
  element("pareto-front").tHead.rows[0].cells[4].textContent = `${cost.name} (${cost.unit})`;
  active = -1;
}

/** The first point among the chart's elements. */
function pointOf(items) {
  return items.map((item) => pareto.data.datasets[item.datasetIndex].data[item.index].point).find(Boolean);
}

function say(items) {
  const found = pointOf(items);
  if (found) element("pareto-live").textContent = describe(found, COSTS[element("pareto-cost").value]).join("\n");
}

/** A click on a point shows only its design and precision; a click beside all shows everything again. */
function only(items) {
  const found = pointOf(items);
  for (const [id, key] of [["pareto-designs", "design"], ["pareto-precisions", "precision"]]) {
    for (const box of element(id).querySelectorAll("input")) box.checked = !found || box.value === found[key];
  }
  drawPareto();
}

/** Which point the arrow keys are at, from left to right. */
let active = -1;

function walk(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const all = pareto.data.datasets.flatMap((set, datasetIndex) =>
    set.points ? set.data.map((at, index) => ({ datasetIndex, index, x: at.x })) : []);
  if (!all.length) return;
  all.sort((a, b) => a.x - b.x);
  if (step) {
    active = (active + step + (active < 0 && step < 0 ? 1 : 0) + all.length) % all.length;
    const item = all[active];
    pareto.setActiveElements([item]);
    pareto.tooltip.setActiveElements([item], { x: 0, y: 0 });
    pareto.update();
    say([item]);
  } else if (event.key === "Enter" && active >= 0) {
    only([all[active]]);
  } else if (event.key === "Escape") {
    only([]);
  } else {
    return;
  }
  event.preventDefault();
}

if (element("pareto-chart")) {
  options(element("pareto-cost"), COSTS.map((cost) => `${cost.name} (${cost.unit})`));
  options(element("pareto-set"), sets);
  choices("pareto-designs", unique(usable.map((p) => p.design)), drawPareto);
  choices("pareto-precisions", precisions.filter((p) => usable.some((q) => q.precision === p)), drawPareto);
  for (const id of ["pareto-cost", "pareto-set", "pareto-log"]) element(id).addEventListener("change", drawPareto);
  element("pareto-all").addEventListener("click", () => only([]));
  element("pareto-chart").addEventListener("keydown", walk);
  drawPareto();
}

// ---- Bars per layer --------------------------------------------------------------------------------

const charts = {};

function drawBars(id, unit, names, layers, value) {
  if (charts[id]) charts[id].destroy();
  element(id).parentElement.style.height = `${7 + layers.length * 1.35}rem`;
  const datasets = names.map((name, index) => ({
    label: name, data: layers.map((layer) => value(layer, index)), backgroundColor: pattern(index),
    borderColor: color("--text"), borderWidth: 0.5, stack: "all",
  })).filter((set) => set.data.some((number) => number !== 0));
  charts[id] = new Chart(element(id), {
    type: "bar",
    data: { labels: layers.map((layer) => layer.name), datasets },
    options: {
      indexAxis: "y", maintainAspectRatio: false,
      scales: {
        x: scaleColors({ stacked: true, text: unit, ticks: {} }),
        y: scaleColors({ stacked: true, text: "layer", ticks: { autoSkip: false } }),
      },
      plugins: {
        legend: { labels: { color: color("--text") } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${significant(item.raw)} ${unit}` } },
      },
    },
  });
}

/** Points under the roofs of their design; a dataset for what was reached and one for what could be. */
function drawRoofline(layers) {
  const moving = layers.filter((layer) => layer.roofline?.intensity_op_per_byte != null);
  const dots = (key) => moving.map((layer) => ({ x: layer.roofline.intensity_op_per_byte, y: layer.roofline[key], layer }));
  if (charts.roofline) charts.roofline.destroy();
  const log = (text) => scaleColors({ type: "logarithmic", text, ticks: { callback: (value) => significant(value, 2), maxTicksLimit: 10 } });
  charts.roofline = new Chart(element("roofline-chart"), {
    type: "scatter",
    data: {
      datasets: [
        { label: "reached", data: dots("reached_gops"), pointStyle: "circle", pointRadius: 5, backgroundColor: COLORS[0], borderColor: color("--text") },
        { label: "attainable", data: dots("attainable_gops"), pointStyle: "rectRot", pointRadius: 6, backgroundColor: "transparent", borderColor: color("--text") },
      ],
    },
    options: {
      maintainAspectRatio: false,
      scales: { x: log("operational intensity (op per byte over the DRAM channel, log scale)"), y: log("Gop/s (log scale)") },
      plugins: {
        legend: { labels: { usePointStyle: true, color: color("--text") } },
        tooltip: { callbacks: { label: ({ raw, dataset }) => `${raw.layer.name}, ${dataset.label}: ${significant(raw.y)} Gop/s at ${significant(raw.x)} op/B; peak ${significant(raw.layer.roofline.peak_gops)} Gop/s` } },
      },
    },
  });
}

function drawLayers() {
  const simulation = data.simulations[element("layers-of").value];
  drawBars("cycles-chart", "cycles", simulation.causes, simulation.layers, (layer, index) => layer.cycles[index]);
  drawBars("energy-chart", "µJ", simulation.components, simulation.layers, (layer, index) => layer.energy_uj[index]);
  drawRoofline(simulation.layers);
  element("layers-note").textContent = simulation.title;
}

if (element("layers-of")) {
  options(element("layers-of"), data.simulations.map((simulation) => simulation.title));
  element("layers-of").addEventListener("change", drawLayers);
  drawLayers();
}

function redraw() {
  if (pareto) drawPareto();
  if (element("layers-of")) drawLayers();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => Object.values(Chart.instances).forEach((chart) => chart.resize()));
