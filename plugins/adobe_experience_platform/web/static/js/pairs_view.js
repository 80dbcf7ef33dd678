// How the pairs of a delivery look: a table for each destination, a search, and the same as CSV.

import { csv, save } from "./csv.js";
import { h, icon } from "./dom.js";
import { errorOf, failedFor, OF_RUN, reasonText, recordsText, skippedFor, written, writtenText } from "./figures.js";
import { between, count, duration, size } from "./format.js";
import { destinationUrl, outside } from "./links.js";
import { pill } from "./parts.js";
import { DELIVERED, PROBLEMS, STATUSES } from "./statuses.js";

const ROWS = 100;
const FILTER_FROM = 12;
const SEARCH_PAUSE = 150;

/** All pairs, as far as they fit what a person has chosen. */
export function pairs(context) {
  const { delivery, choice, choose, reading } = context;
  if (!delivery.pairs.length) {
    return h("section.card", {}, h("h2", {}, "Deliveries"), h("p.muted", {}, emptyText(delivery, reading)));
  }
  const wanted = delivery.pairs.filter((pair) => fits(pair, choice));
  const flows = new Map();
  for (const pair of wanted) flows.set(pair.flow, [...(flows.get(pair.flow) ?? []), pair]);
  return h(
    "section.card",
    {},
    h("h2", {}, "Deliveries ", h("span.count", {}, count(delivery.pairs.length))),
    delivery.pairs.length >= FILTER_FROM && filters(delivery, choice, choose),
    !wanted.length && h("p.muted", {}, "No delivery fits this filter."),
    [...flows].map(([flow, own]) => destination(context, flow, own)),
  );
}

function emptyText(delivery, reading) {
  if (reading) return "Reading what this run delivers…";
  return delivery.over
    ? "Nothing is known of what this run was to deliver."
    : "They appear as soon as the plan is made.";
}

function fits(pair, { status, search = "" }) {
  const isWanted = !status || (status === "problems" ? PROBLEMS.has(pair.status) : pair.status === status);
  const words = search.trim().toLowerCase();
  const text = [pair.audienceName, pair.audience, pair.flowName, pair.flow, pair.error].join(" ").toLowerCase();
  return isWanted && text.includes(words);
}

function filters({ pairs: all, counts }, choice, choose) {
  const chip = (status, label, number) => {
    const isPressed = String((choice.status ?? null) === status);
    const onclick = () => choose({ status });
    const attributes = {
      type: "button",
      "aria-pressed": isPressed,
      data: { key: `chip-${status}` },
      onclick,
    };
    return h("button.chip", attributes, `${label} `, h("span.count", {}, count(number)));
  };
  const problems = all.filter((pair) => PROBLEMS.has(pair.status)).length;
  const some = Object.entries(STATUSES).filter(([status]) => counts[status] > 0 && counts[status] < all.length);
  const search = {
    type: "search",
    placeholder: "Find an audience",
    value: choice.search ?? "",
    data: { key: "search" },
    oninput: (event) => later(() => choose({ search: event.target.value })),
  };
  return h(
    "div.toolbar",
    {},
    h(
      "label.search",
      {},
      icon("search"),
      h("span.hidden", {}, "Find an audience or a destination"),
      h("input", search),
    ),
    h(
      "div.chips",
      { role: "group", "aria-label": "Status" },
      chip(null, "All", all.length),
      problems > 0 && chip("problems", "Problems", problems),
      some.map(([status, { label }]) => chip(status, label, counts[status])),
    ),
  );
}

let waiting = null;
function later(act) {
  clearTimeout(waiting);
  waiting = setTimeout(act, SEARCH_PAUSE);
}

const HEADS = ["Audience", "Status", "Exported", "Skipped", "Failed", "Files", "Size", "Duration"];

function destination({ delivery, choice, choose }, flow, own) {
  const name = own[0].flowName;
  const url = destinationUrl(delivery.link, flow);
  const sorted = [...own].sort((a, b) => PROBLEMS.has(b.status) - PROBLEMS.has(a.status));
  const shown = choice.shown?.get(flow) ?? ROWS;
  const showMore = () => choose({ shown: new Map(choice.shown).set(flow, shown + 5 * ROWS) });
  const more = { type: "button", data: { key: `more-${flow}` }, onclick: showMore };
  const delivered = own.filter((pair) => DELIVERED.has(pair.status)).length;
  const head = (label, index) => h("th", { scope: "col", class: index > 1 ? "number" : null }, label);
  return h(
    "section.destination",
    { "aria-label": name || flow },
    h(
      "div.destination-head",
      {},
      h("h3", {}, name || flow),
      h(
        "p.muted",
        {},
        `${count(delivered)} of ${count(own.length)} delivered`,
        delivered > 0 && ` · ${[recordsText(own), writtenText(written(own))].filter(Boolean).join(", ")}`,
      ),
      url && outside(url, { class: "aep-link", data: { key: `flow-${flow}` } }, "Open in AEP"),
      name && h("code.id", { title: "Flow id" }, flow),
    ),
    h("table", {}, h("thead", {}, h("tr", {}, HEADS.map(head))), h("tbody", {}, sorted.slice(0, shown).map(row))),
    own.some(hasMark) && h("p.muted.small", {}, `* ${OF_RUN}`),
    sorted.length > shown && h("button.button.more", more, `Show more (${count(sorted.length - shown)} left)`),
  );
}

const isShared = (pair) => pair.audiences > 1;
const exportsInRun = (pair) => pair.exported === null && typeof pair.exportedInRun === "number";
const failsInRun = (pair) => pair.failed === null && pair.failedInRun > 0;
/** Whether a figure of the pair belongs to its whole run. */
const hasMark = (pair) =>
  exportsInRun(pair) || failsInRun(pair) || (isShared(pair) && (pair.files !== null || pair.bytes !== null));

function row(pair) {
  const status = STATUSES[pair.status];
  const cell = (label, value, extra = "") => h("td", { class: `number ${extra}`, data: { label } }, value);
  const ofRun = (value) => h("span", { title: OF_RUN }, `${value}*`);
  const inRun = (value, shown = count) => {
    if (typeof value !== "number") return "–";
    return isShared(pair) ? ofRun(shown(value)) : shown(value);
  };
  const isEmpty = pair.exported === 0 && pair.endedAt && !pair.lost && !pair.failed;
  const adopted = { title: "Started by somebody else, taken as this delivery" };
  return h(
    "tr",
    { class: `row-${status.tone}` },
    h(
      "th",
      { scope: "row" },
      h("span.name", {}, pair.audienceName || pair.audience),
      pair.audienceName && h("code.id", { title: "Audience id" }, pair.audience),
      said(pair, status),
      pair.fileNames?.map((name) => h("p.run-id", {}, "File ", h("code", {}, name))),
      pair.runId && h("p.run-id", {}, "Flow run ", h("code", {}, pair.runId)),
    ),
    h(
      "td",
      { data: { label: "Status" } },
      pill(status.tone, status.label, status.icon),
      pair.adopted && h("span.note", adopted, "adopted"),
      isEmpty && h("span.note.warn", {}, "empty"),
      Boolean(pair.lost) && h("span.note.warn", {}, pair.lost > 0 ? `${count(pair.lost)} records lost` : pair.lost),
    ),
    cell("Exported", exportsInRun(pair) ? ofRun(count(pair.exportedInRun)) : count(pair.exported)),
    cell("Skipped", count(pair.skipped)),
    cell(
      "Failed",
      failsInRun(pair) ? ofRun(count(pair.failedInRun)) : count(pair.failed),
      pair.failed || failsInRun(pair) ? "bad" : "",
    ),
    cell("Files", inRun(pair.files)),
    h(
      "td.number",
      { data: { label: "Size" }, title: typeof pair.bytes === "number" ? `${count(pair.bytes)} bytes` : null },
      inRun(pair.bytes, size),
    ),
    cell("Duration", duration(tookOf(pair))),
  );
}

/** Seconds from start to completion, as AEP says; of what goes on, until now. */
function tookOf(pair) {
  return pair.status === "in_progress" ? between(pair.startedAt, new Date().toISOString()) : pair.seconds;
}

/** What AEP says of a pair: its error, and why records failed or were skipped. */
function said(pair, status) {
  const error = errorOf(pair);
  const list = (word, reasons, tone) =>
    reasons.map((reason) => h("p", { class: `error ${tone}` }, `${word}: ${reasonText(reason)}`));
  return [
    error && h("p", { class: `error ${pair.lost ? "warn" : status.tone}` }, error),
    list("Failed", failedFor(pair), "warn"),
    list("Skipped", skippedFor(pair), ""),
  ];
}

/** Column of the CSV → its value; what begins with run_ belongs to the whole flow run. */
const COLUMNS = Object.entries({
  destination: "flowName",
  flow_id: "flow",
  audience: "audienceName",
  audience_id: "audience",
  status: "status",
  records_exported: "exported",
  records_skipped: "skipped",
  records_failed: "failed",
  records_exported_in_run: "exportedInRun",
  records_failed_in_run: "failedInRun",
  lost: (pair) => pair.lost || "",
  started_at: "startedAt",
  completed_at: "endedAt",
  duration_seconds: "seconds",
  run_audiences: "audiences",
  run_files: "files",
  run_bytes: "bytes",
  file_names: (pair) => pair.fileNames?.join("; "),
  skipped_reasons: (pair) => pair.skippedFor?.map(reasonText).join("; "),
  failed_reasons: (pair) => pair.failedFor?.map(reasonText).join("; "),
  flow_run_id: "runId",
  error_code: "code",
  error: "error",
});

/** Save all pairs for a spreadsheet. */
export function download({ pairs: all }, run) {
  const head = ["dag_id", "run_id", ...COLUMNS.map(([name]) => name)];
  const value = (pair, key) => (typeof key === "function" ? key(pair) : pair[key]);
  const rows = all.map((pair) => [run.dag_id, run.dag_run_id, ...COLUMNS.map(([, key]) => value(pair, key))]);
  save(`activation-${run.dag_run_id.replace(/[^\w.-]+/g, "_")}.csv`, csv([head, ...rows]));
}
