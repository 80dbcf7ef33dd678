// How the page with all deliveries looks.

import { h, icon, update } from "./dom.js";
import { compact, count, dayKey, duration, full, plural, when } from "./format.js";
import { askedOf, flowsOf, HERE, isDry, isFinished, OTHERS, perDay, totals } from "./history.js";
import { airflow, inside } from "./links.js";
import { pill, problemOf } from "./parts.js";
import { sends, waits } from "./reports.js";
import { exportButton, STATES, table } from "./runs_table.js";

const STARTED_BY = [
  [HERE, "This Airflow"],
  [OTHERS, "Others"],
];
const CHARTS = {
  records: "Records per day and destination",
  duration: "Duration, median per day",
  success: "Success rate, runs per day",
};
const LIVE_SHOWN = 8;
const NEXT_SHOWN = 8;
const COLUMNS_SHOWN = 50;
const SEARCH_PAUSE = 200;
const STALE = "Airflow does not answer at the moment. What you see may be old; it is tried again.";

const UNREAD = "What others have delivered cannot be read at the moment. It is tried again.";

/** Lay out the page; its parts are filled by `showAll`. */
export function build(page) {
  const stay = (event) => event.preventDefault();
  page.replaceChildren(
    h(
      "header.top",
      {},
      h("div", {}, h("h1", {}, "Activations"), h("p.muted", {}, "Deliveries of Adobe Experience Platform audiences")),
      h(
        "div.actions",
        {},
        h("div", { id: "export" }),
        inside(airflow.deliver(), { class: "button primary", data: { key: "deliver" } }, icon("send"), "Deliver"),
      ),
    ),
    h("div", { id: "banner", role: "status" }),
    h("form", { id: "filters", class: "toolbar", "aria-label": "Filter", onsubmit: stay }),
    h("div", { id: "figures" }),
    h("div", { id: "now" }),
    h("div", { id: "charts" }),
    h("div", { id: "runs" }, h("p.loading", { role: "status" }, "Loading deliveries…")),
  );
}

export function showNotice(page, error, retry) {
  const others = ["export", "banner", "filters", "figures", "now", "charts"];
  for (const id of others) update(page.querySelector(`#${id}`), null, () => null);
  const problem = () => problemOf(error, { retry, what: "DAG runs" });
  update(page.querySelector("#runs"), ["problem", error.status, error.message], problem);
}

export function showAll(page, view) {
  const { known, choice, runs, all, names, kept, actions } = view;
  const part = (id) => page.querySelector(`#${id}`);
  const dags = known.dags.map((dag) => [dag.dag_id, dag.dag_display_name]);
  const flows = flowsShown(view);
  const troubles = [known.stale, [...known.refused], known.toldRefused, known.toldUnread];
  update(part("banner"), troubles, () => banners(known));
  update(part("filters"), [dags, flows, { ...choice, search: "" }], () => filters(dags, flows, choice, actions));
  const sums = totals(runs, kept);
  update(part("figures"), [sums, choice.by], () => figures(sums, choice.by));
  const live = all.filter((run) => !isFinished(run));
  const next = comingNext(known.dags);
  const minute = Math.floor(Date.now() / 60000);
  update(part("now"), [live.map((run) => [run, kept(run), waits(run), sends(run)]), next, minute], () =>
    h("div.columns", {}, runningNow(live, kept), next.length > 0 && upcoming(next)),
  );
  const ended = runs.filter((run) => isFinished(run) && !isDry(run));
  const shownCharts = ended.some((run) => run.by !== OTHERS) ? Object.keys(CHARTS) : ["records"];
  update(part("charts"), [ended.length > 0, shownCharts], () => ended.length > 0 && charts(shownCharts));
  if (ended.length) tables(part("charts"), view);
  update(part("export"), [runs.length > 0], () => runs.length > 0 && exportButton());
  part("export").view = view;
  const shown = runs.slice(0, known.shown).map((run) => [run, kept(run)]);
  const numbers = [runs.length, known.total, known.runs.size, known.dags.length, view.waiting, dayKey(Date.now())];
  numbers.push(known.toldTotal, known.toldRefused, known.watched);
  update(part("runs"), [shown, numbers, choice, [...names], [...known.refused]], () => table(view));
}

/** [flow id, name] of all flows that were delivered to, by name; what was only asked for may be anything. */
function flowsShown({ all, kept, names }) {
  const flows = new Set(all.flatMap((run) => (kept(run) ? flowsOf(run, kept(run)) : [])));
  const named = [...flows].map((flow) => [flow, names.get(flow) ?? flow]);
  return named.sort((a, b) => a[1].localeCompare(b[1]));
}

function banners({ stale, refused, toldRefused, toldUnread }) {
  const isUnread = ![null, 403].includes(toldRefused);
  const some = `Airflow cannot list ${plural(toldUnread, "delivery", "deliveries")} at the moment: a DAG run that it started is queued. It is tried again.`;
  const dags = [...refused].join(", ");
  const hidden = `You may not read the results (XComs) of ${dags}: only the states of their runs are shown.`;
  return [
    stale && h("p.banner.warn", {}, icon("warning"), STALE),
    isUnread && h("p.banner.warn", {}, icon("warning"), UNREAD),
    !isUnread && toldUnread > 0 && h("p.banner.warn", {}, icon("warning"), some),
    refused.size > 0 && h("p.banner.warn", {}, icon("warning"), hidden),
  ];
}

function filters(dags, flows, choice, actions) {
  const choose = (name) => (event) => actions.choose({ [name]: event.target.value });
  const select = (name, label, options, all) =>
    h(
      "label.field",
      {},
      h("span", {}, label),
      h(
        "select",
        { name, data: { key: name }, onchange: choose(name) },
        h("option", { value: "" }, all),
        options.map(([value, text]) => h("option", { value, selected: value === choice[name] }, text)),
      ),
    );
  const date = (name, label) => {
    const attributes = {
      type: "date",
      name,
      value: choice[name],
      data: { key: name },
      onchange: choose(name),
    };
    return h("label.field", {}, h("span", {}, label), h("input", attributes));
  };
  const search = {
    type: "search",
    name: "search",
    value: choice.search,
    placeholder: "name, run, person, error",
    data: { key: "search-all" },
    oninput: (event) => later(() => actions.choose({ search: event.target.value.trim() })),
  };
  const nothing = { dag: "", by: "", flow: "", state: "", search: "", from: "", to: "" };
  const clear = { type: "button", data: { key: "clear" }, onclick: () => actions.choose(nothing) };
  const states = [...STATES].map(([state, [, label]]) => [state, label]);
  return [
    select("dag", "Campaign", dags, "All campaigns"),
    select("by", "Started by", STARTED_BY, "Anyone"),
    select("flow", "Destination", flows, "All destinations"),
    select("state", "State", states, "Any state"),
    date("from", "From"),
    date("to", "To"),
    h("label.field.grow", {}, h("span", {}, "Find"), h("input", search)),
    Object.values(choice).some(Boolean) && h("button.button", clear, "Clear"),
  ];
}

let waiting = null;
function later(act) {
  clearTimeout(waiting);
  waiting = setTimeout(act, SEARCH_PAUSE);
}

/** Of what was started here; only records are of all that is listed. */
function figures(sums, by) {
  const figure = (label, value, hint, tone = "") =>
    h("div", { class: `figure ${tone}` }, h("dt", {}, label), h("dd", {}, value), h("dd.hint", {}, hint));
  const ended = sums.success + sums.failed;
  const rate = ended ? `${Math.floor((100 * sums.success) / ended)} %` : "–";
  const failed = sums.failed ? `${plural(sums.failed, "run")} failed` : ended && "none failed";
  const running = sums.running ? `${count(sums.running)} under way` : "none under way";
  const more = sums.others > 0 && `, and ${plural(sums.others, "delivery", "deliveries")} of others`;
  const records = figure(
    "Records exported",
    sums.records === null ? "–" : compact(sums.records),
    sums.records >= 10000 ? count(sums.records) : "",
  );
  if (by === OTHERS) return h("dl.figures-grid", {}, figure("Deliveries of others", count(sums.others), ""), records);
  return h(
    "dl.figures-grid",
    {},
    figure("Runs", count(sums.runs), [running, more]),
    figure("Success rate", rate, failed || "", sums.failed ? "bad" : ""),
    figure("Delivered", count(sums.delivered), sums.pairs ? `of ${count(sums.pairs)}` : ""),
    records,
  );
}

function runningNow(live, kept) {
  return h(
    "section.card",
    { "aria-label": "Running now" },
    h("h2", {}, "Running now ", h("span.count", {}, live.length)),
    !live.length && h("p.muted", {}, "Nothing is under way."),
    h(
      "ul.list",
      {},
      live.slice(0, LIVE_SHOWN).map((run) => liveItem(run, kept(run))),
    ),
    live.length > LIVE_SHOWN && h("p.muted", {}, `and ${live.length - LIVE_SHOWN} more, in the list below`),
  );
}

function liveItem(run, progress) {
  const done = progress ? progress.delivered + progress.failed : 0;
  const total = askedOf(run, progress);
  const share = total ? `${(100 * done) / total}%` : "0%";
  const meter = { role: "img", "aria-label": `${done} of ${total} deliveries done` };
  const link = { data: { key: `live-${run.dag_id}-${run.dag_run_id}` } };
  const since = run.start_date ? duration((Date.now() - new Date(run.start_date)) / 1000) : "waiting to start";
  return h(
    "li",
    {},
    h(
      "div.line",
      {},
      inside(airflow.activation(run.dag_id, run.dag_run_id), link, run.dag_display_name),
      h("span.muted", {}, since),
    ),
    total !== null && h("div.meter", meter, h("span", { style: { "--share": share } })),
    h("p.muted.small", {}, liveText(run, progress, done, total)),
  );
}

function liveText(run, progress, done, total) {
  if (progress) return `${count(done)} of ${plural(total, "delivery", "deliveries")} done`;
  if (waits(run)) {
    const question = `${airflow.run(run.dag_id, run.dag_run_id)}/required_actions`;
    return inside(question, { data: { key: `asked-${run.dag_id}-${run.dag_run_id}` } }, "waiting for approval");
  }
  if (total === null) return "being planned";
  return `${plural(total, "delivery", "deliveries")}, ${sends(run) ? "being sent" : "before or during the export"}`;
}

/** DAGs that start by themselves, soonest first; paused ones last, since they will not. */
function comingNext(dags) {
  const isScheduled = (dag) => dag.timetable_summary && dag.timetable_summary !== "None";
  const active = dags.filter((dag) => !dag.is_paused);
  const timed = active.filter((dag) => dag.next_dagrun_run_after);
  timed.sort((a, b) => a.next_dagrun_run_after.localeCompare(b.next_dagrun_run_after));
  const byEvent = active.filter((dag) => !dag.next_dagrun_run_after && isScheduled(dag));
  const paused = dags.filter((dag) => dag.is_paused && isScheduled(dag));
  return [...timed, ...byEvent, ...paused].map((dag) => ({
    dag_id: dag.dag_id,
    dag_display_name: dag.dag_display_name,
    is_paused: dag.is_paused,
    next: dag.next_dagrun_run_after,
    description: dag.timetable_description || dag.timetable_summary,
  }));
}

function upcoming(next) {
  const time = (dag) => h("span", { title: full(dag.next) }, dag.next ? when(dag.next) : "by event");
  const item = (dag) =>
    h(
      "li",
      {},
      h(
        "div.line",
        {},
        inside(airflow.dag(dag.dag_id), { data: { key: `next-${dag.dag_id}` } }, dag.dag_display_name),
        dag.is_paused ? pill("idle", "Paused", "pause") : time(dag),
      ),
      h("p.muted.small", {}, dag.description),
    );
  return h(
    "section.card",
    { "aria-label": "Coming next" },
    h("h2", {}, "Coming next"),
    h("ul.list", {}, next.slice(0, NEXT_SHOWN).map(item)),
    next.length > NEXT_SHOWN && h("p.muted", {}, `and ${next.length - NEXT_SHOWN} more`),
  );
}

function charts(shown) {
  const one = ([name, title]) =>
    h(
      "section.card.chart-card",
      {},
      h("h2", {}, title),
      h("div.chart", {}, h("canvas", { data: { chart: name }, role: "img", "aria-label": title }, title)),
      h(
        "details",
        { data: { key: `table-${name}` } },
        h("summary", { data: { key: `summary-${name}` } }, "As a table"),
        h("div", { class: "chart-table", data: { table: name } }),
      ),
    );
  return h(
    "div.charts-grid",
    {},
    Object.entries(CHARTS)
      .filter(([name]) => shown.includes(name))
      .map(one),
  );
}

/** The figures behind the charts, for those who cannot see them. */
function tables(place, { runs, names, kept, choice }) {
  const data = perDay(runs, kept, choice.flow || null);
  const all = data.days.map((day, index) => ({ day, index }));
  const shown = all.filter(({ index }) => data.success[index] + data.failed[index] > 0).reverse();
  const fill = (name, head, cells) => {
    const box = place.querySelector(`[data-table="${name}"]`);
    const rows = shown.map(({ day, index }) => [day, ...cells(index)]);
    if (box) update(box, [head, rows], () => chartTable(head, rows));
  };
  const flows = data.flows.slice(0, COLUMNS_SHOWN);
  const flowNames = flows.map((flow) => names.get(flow) ?? flow);
  const minutes = (at) => (data.minutes[at] === null ? "–" : duration(data.minutes[at] * 60));
  fill("records", flowNames, (at) => flows.map((flow) => count(data.records.get(flow)[at])));
  fill("duration", ["Median"], (at) => [minutes(at)]);
  fill("success", ["Succeeded", "Failed"], (at) => [count(data.success[at]), count(data.failed[at])]);
}

function chartTable(head, rows) {
  const row = ([day, ...values]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, day),
      values.map((value, at) => h("td", { data: { label: head[at] } }, value)),
    );
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Day", ...head].map((text) => h("th", { scope: "col" }, text)),
      ),
    ),
    h("tbody", {}, rows.map(row)),
  );
}
