// The list of all deliveries, and the same as CSV.

import { csv, save } from "./csv.js";
import { h, icon } from "./dom.js";
import { writtenText } from "./figures.js";
import { count, dayKey, duration, full, plural, when } from "./format.js";
import { askedOf, flowsOf, HERE, isDry, isFinished, OTHERS } from "./history.js";
import { airflow, goTo, inside } from "./links.js";
import { cells, nothing as noOthers } from "./others_view.js";
import { notice, pill, someOf } from "./parts.js";

/** State of a run → how it is shown. */
export const STATES = new Map([
  ["success", ["good", "Succeeded"]],
  ["failed", ["bad", "Failed"]],
  ["running", ["busy", "Running"]],
  ["queued", ["idle", "Waiting to start"]],
]);
const HEADS = ["Campaign or destination", "State", "Started", "Deliveries", "Records", "Duration", ""];

let watcher = null;
const watched = new WeakMap();

/** The list; a row whose result is not known is read when it comes into sight. */
export function table(view) {
  const { known, runs, waiting, actions } = view;
  if (!runs.length && !waiting) return nothing(view);
  watcher?.disconnect();
  watcher = new IntersectionObserver((entries) => entries.forEach((entry) => inSight(entry, actions)), {
    rootMargin: "200px",
  });
  const number = known.runs.size;
  const older = Math.max(known.total - number, known.toldTotal - known.wanted, 0);
  const newest = `These are the newest ${count(number)} of ${plural(known.total, "run")} in this period. `;
  const button = (key, act, text) =>
    h("button", { class: `button ${key}`, type: "button", data: { key }, onclick: act }, text);
  const head = (label, index) =>
    h("th", { scope: "col", class: index > 2 ? "number" : null }, label || h("span.hidden", {}, "Deliver again"));
  return h(
    "section.card",
    {},
    h("h2", {}, "Deliveries ", h("span.count", {}, count(runs.length))),
    h(
      "table.runs",
      {},
      h("thead", {}, h("tr", {}, HEADS.map(head))),
      h(
        "tbody",
        {},
        runs.slice(0, known.shown).map((run) => safeRow(run, view)),
      ),
    ),
    runs.length > known.shown && button("more", actions.more, `Show more (${count(runs.length - known.shown)} left)`),
    waiting > 0 && h("p.muted.older", { role: "status" }, waitingText(waiting)),
    older > 0 && h("p.muted.older", {}, newest, button("load-older", actions.older, "Load older ones")),
  );
}

const waitingText = (number) =>
  `${plural(number, "more delivery has", "more deliveries have")} ended in AEP. It is not known yet whether one of ` +
  `these runs started ${number === 1 ? "it" : "them"}.`;

function inSight(entry, actions) {
  if (!entry.isIntersecting) return;
  watcher.unobserve(entry.target);
  actions.look(watched.get(entry.target));
}

function nothing({ known, choice }) {
  const { by, ...others } = choice;
  if (by === OTHERS && !Object.values(others).some(Boolean)) return noOthers(known);
  if (!known.dags.length) {
    const tag = h("code", {}, "aep-activation");
    return notice("idle", "skip", "No campaigns yet", [
      h("p", {}, "Deliveries of DAGs tagged ", tag, " that you may see appear here."),
    ]);
  }
  if (Object.values(choice).some(Boolean)) {
    return notice("idle", "calendar", "No delivery fits this filter", [
      h("p", {}, "Choose a longer period or fewer conditions."),
    ]);
  }
  const dag = ({ dag_id, dag_display_name }) => h("li", {}, inside(airflow.dag(dag_id), {}, dag_display_name));
  return notice("idle", "calendar", "No deliveries in the last 30 days", [
    h("p", {}, "Start one with Deliver, or choose a longer period above."),
    h("ul.list", {}, known.dags.slice(0, 5).map(dag)),
  ]);
}

/** One run whose data are odd costs one row. */
function safeRow(run, view) {
  try {
    return run.by === OTHERS ? rowOfOthers(run, view) : row(run, view);
  } catch (error) {
    console.error(error);
    return h("tr", {}, h("td", { colspan: HEADS.length }, `The run ${run.dag_run_id} cannot be shown.`));
  }
}

function row(run, { kept, names, known }) {
  const result = kept(run);
  const isReading = isFinished(run) && result === undefined && !known.refused.has(run.dag_id);
  const dry = isDry(run);
  const cell = (name, value, extra = "") => h("td", { class: `number ${extra}`, data: { label: name } }, value);
  const isShort = !dry && result && result.delivered < result.pairs && isFinished(run);
  const took = isFinished(run) ? duration(run.duration) : "–";
  const records = result ? recordsOf(result) : null;
  const element = h(
    "tr",
    {},
    h("th", { scope: "row" }, campaign(run, result, names)),
    h("td", { data: { label: "State" } }, states(run, result, dry)),
    h("td", { data: { label: "Started" } }, started(run)),
    cell("Deliveries", dry ? "–" : deliveries(run, result, isReading), isShort ? "bad" : ""),
    cell("Records", records ?? (isReading ? "…" : "–")),
    cell("Duration", took),
    h("td.again", {}, isFinished(run) && again(run)),
  );
  if (isReading) {
    watched.set(element, run);
    watcher.observe(element);
  }
  return element;
}

function rowOfOthers(delivery, { names }) {
  const found = cells(delivery, names);
  const cell = (label, value, kind = "number") => h("td", { class: kind, data: { label } }, value);
  return h(
    "tr.others",
    {},
    h("th", { scope: "row" }, found.head),
    cell("State", found.state, null),
    cell("Started", found.started, null),
    cell("Deliveries", found.deliveries),
    cell("Records", found.records),
    cell("Duration", found.duration),
    h("td.again"),
  );
}

/** The records of a run, and below them its files and bytes, as far as AEP says. */
function recordsOf(result) {
  const known = result.records === null ? "–" : count(result.records);
  const size = writtenText(result);
  return [result.isPart && result.records !== null ? `≥ ${known}` : known, size && h("p.muted.small", {}, size)];
}

/** To the page that delivers, filled in from this run. */
function again(run) {
  const label = `Deliver ${run.dag_display_name}, ${run.dag_run_id}, again`;
  const data = { testid: "deliver-again", key: `again-${run.dag_id}-${run.dag_run_id}` };
  const onclick = () => goTo(airflow.deliver(run));
  const attributes = { type: "button", title: "Deliver again", "aria-label": label, data, onclick };
  return h("button.button.small-button", attributes, icon("again"), "Again");
}

function campaign(run, result, names) {
  const flows = flowsOf(run, result).map((flow) => names.get(flow) ?? flow);
  const link = { class: "name", data: { key: `run-${run.dag_id}-${run.dag_run_id}` } };
  // AEP's words about a delivery, else what the report said of the run.
  const isUnreported = run.state === "failed" && result !== undefined && !result?.verdict;
  const verdict = run.state === "failed" ? result?.verdict : "";
  const said = result?.problem || verdict || (isUnreported && "This run ended without a report.");
  return [
    inside(airflow.activation(run.dag_id, run.dag_run_id), link, run.dag_display_name),
    h("p.muted.small", {}, someOf(flows) || run.dag_run_id),
    said && h("p.error.bad", {}, said),
  ];
}

function states(run, result, dry) {
  if (dry && run.state === "success") return pill("idle", "Dry run");
  const [tone, label] = STATES.get(run.state) ?? ["idle", run.state];
  return [
    pill(tone, label),
    dry && h("span.note", {}, "dry run"),
    result?.lossy > 0 && h("span.note.warn", {}, `lost records in ${result.lossy}`),
    result?.doubtful > 0 && h("span.note.warn", {}, `records may be missing in ${result.doubtful}`),
    result?.partly > 0 && h("span.note.warn", {}, `${result.partly} partly`),
  ];
}

function started(run) {
  const time = { datetime: run.start_date, title: full(run.start_date) };
  return [
    run.start_date ? h("time", time, when(run.start_date)) : "–",
    run.triggering_user_name && h("p.muted.small", {}, run.triggering_user_name),
  ];
}

function deliveries(run, result, isReading) {
  if (result?.pairs) return `${count(result.delivered)} of ${count(result.pairs)}`;
  if (isReading) return "…";
  const total = askedOf(run, result);
  if (total === null) return "–";
  return isFinished(run) ? `– of ${count(total)}` : count(total);
}

/** The button that saves what is listed; it reads first what has not been in sight. */
export function exportButton() {
  const label = h("span", {}, "CSV");
  const onclick = async (event) => {
    const button = event.currentTarget;
    const { runs, kept, names, actions } = button.parentElement.view;
    button.disabled = true;
    const missing = runs.filter((run) => kept(run) === undefined).length;
    await actions.results(runs, (done) => {
      label.textContent = `Reading ${done} of ${missing}`;
    });
    label.textContent = "CSV";
    button.disabled = false;
    save(`activations-${dayKey(Date.now())}.csv`, csv(rowsOf(runs, kept, names)));
  };
  return h("button.button", { type: "button", data: { key: "csv" }, onclick }, icon("download"), label);
}

const RUN_COLUMNS = {
  dag_id: "dag_id",
  campaign: "dag_display_name",
  run_id: "dag_run_id",
  state: "state",
  started_by: "triggering_user_name",
  start_date: "start_date",
  end_date: "end_date",
  duration_seconds: "duration",
  started_in: "by",
};
const FLOW_COLUMNS = [
  "flow_id",
  "destination",
  "deliveries",
  "delivered",
  "records_exported",
  "files",
  "bytes",
  "problem",
];

/** One line for each destination of each run; a run without a result has one line too. */
function rowsOf(runs, kept, names) {
  const lines = runs.flatMap((run) => {
    const own = Object.values(RUN_COLUMNS).map((key) => (key === "by" ? (run.by ?? HERE) : run[key]));
    const result = kept(run);
    if (!result?.flows.length)
      return [[...own, null, null, askedOf(run, result), null, null, null, null, result?.verdict]];
    return result.flows.map(({ flow, pairs, delivered, records, files, bytes }) => {
      const name = names.get(flow) ?? "";
      return [...own, flow, name, pairs, delivered, records, files, bytes, result.problem];
    });
  });
  return [[...Object.keys(RUN_COLUMNS), ...FLOW_COLUMNS], ...lines];
}
