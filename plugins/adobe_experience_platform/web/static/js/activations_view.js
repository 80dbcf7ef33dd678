// How the page with all deliveries looks.

import { h, icon, update } from "./dom.js";
import { compact, count, dayKey, duration, full, plural, when } from "./format.js";
import { airflow, inside } from "./links.js";
import { askedOf, flowsOf, isDry, isFinished, perDay, totals } from "./history.js";
import { notice, pill, problemOf } from "./parts.js";
import { csv, save } from "./csv.js";
import { waits } from "./reports.js";

const STATES = {
  success: ["good", "Succeeded"], failed: ["bad", "Failed"], running: ["busy", "Running"], queued: ["idle", "Waiting to start"],
};
const CHARTS = { records: "Records per day and destination", duration: "Duration, median per day", success: "Success rate, runs per day" };

let watcher = null;
const watched = new WeakMap();

/** Lay out the page; its parts are filled by `showAll`. */
export function build(page) {
  page.replaceChildren(
    h("header.top", {}, h("div", {}, h("h1", {}, "Activations"), h("p.muted", {}, "Deliveries of Adobe Experience Platform audiences")), h("div", { id: "export" })),
    h("div", { id: "banner", role: "status" }),
    h("form", { id: "filters", class: "toolbar", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() }),
    h("div", { id: "figures" }),
    h("div", { id: "now" }),
    h("div", { id: "charts" }),
    h("div", { id: "runs" }, h("p.loading", { role: "status" }, "Loading deliveries…")));
}

export function showNotice(page, error, retry) {
  for (const id of ["export", "banner", "filters", "figures", "now", "charts"]) update(page.querySelector(`#${id}`), null, () => null);
  update(page.querySelector("#runs"), ["problem", error.status, error.message], () => problemOf(error, { retry, what: "DAG runs" }));
}

export function showAll(page, view) {
  const { known, choice, runs, all, names, kept, actions } = view;
  const part = (id) => page.querySelector(`#${id}`);
  const flows = [...new Set(all.flatMap((run) => flowsOf(run, kept(run))))].map((flow) => [flow, names[flow] || flow]).sort((a, b) => a[1].localeCompare(b[1]));
  update(part("banner"), [known.stale, [...known.refused]], () => [
    known.stale && h("p.banner.warn", {}, icon("warning"), "Airflow does not answer at the moment. What you see may be old; it is tried again."),
    known.refused.size > 0 && h("p.banner.warn", {}, icon("warning"), `You may not read the results (XComs) of ${[...known.refused].join(", ")}: only the states of their runs are shown.`),
  ]);
  update(part("filters"), [known.dags.map((dag) => dag.dag_display_name), flows, { ...choice, search: "" }], () => filters(known, choice, flows, actions));
  const sums = totals(runs, kept);
  update(part("figures"), [sums, runs.length], () => figures(sums));
  const live = all.filter((run) => !isFinished(run));
  const next = comingNext(known.dags);
  update(part("now"), [live.map((run) => [run, kept(run), waits(run)]), next, Math.floor(Date.now() / 60000)], () => h("div.columns", {}, runningNow(live, kept, actions), next.length > 0 && upcoming(next)));
  update(part("charts"), [runs.some(isFinished), CHARTS], () => runs.some(isFinished) && charts());
  if (runs.some(isFinished)) tables(part("charts"), runs, view);
  update(part("export"), [runs.length > 0], () => runs.length > 0 && exportButton(view));
  part("export").view = view;
  update(part("runs"), [runs.slice(0, known.shown).map((run) => [run, kept(run)]), runs.length, known.total, all.length, choice, known.dags.length, names, [...known.refused], dayKey(Date.now())], () => table(view));
}

function filters(known, choice, flows, actions) {
  const select = (name, label, options, all) => h("label.field", {}, h("span", {}, label),
    h("select", { name, data: { key: name }, onchange: (event) => actions.choose({ [name]: event.target.value }) },
      h("option", { value: "" }, all),
      options.map(([value, text]) => h("option", { value, selected: value === choice[name] }, text))));
  const date = (name, label) => h("label.field", {}, h("span", {}, label), h("input", { type: "date", name, value: choice[name], data: { key: name }, onchange: (event) => actions.choose({ [name]: event.target.value }) }));
  const chosen = Object.values(choice).some(Boolean);
  return [
    select("dag", "Campaign", known.dags.map((dag) => [dag.dag_id, dag.dag_display_name]), "All campaigns"),
    select("flow", "Destination", flows, "All destinations"),
    select("state", "State", Object.entries(STATES).map(([state, [, label]]) => [state, label]), "Any state"),
    date("from", "From"), date("to", "To"),
    h("label.field.grow", {}, h("span", {}, "Find"), h("input", { type: "search", name: "search", value: choice.search, placeholder: "name, run, person, error", data: { key: "search-all" }, oninput: (event) => later(() => actions.choose({ search: event.target.value.trim() })) })),
    chosen && h("button.button", { type: "button", data: { key: "clear" }, onclick: () => actions.choose({ dag: "", flow: "", state: "", search: "", from: "", to: "" }) }, "Clear"),
  ];
}

let waiting = null;
function later(act) {
  clearTimeout(waiting);
  waiting = setTimeout(act, 200);
}

function figures(sums) {
  const figure = (label, value, hint, tone = "") => h("div", { class: `figure ${tone}` }, h("dt", {}, label), h("dd", {}, value), h("dd.hint", {}, hint));
  const ended = sums.success + sums.failed;
  return h("dl.figures-grid", {},
    figure("Runs", count(sums.runs), sums.running ? `${count(sums.running)} under way` : "none under way"),
    figure("Success rate", ended ? `${Math.floor((100 * sums.success) / ended)} %` : "–", sums.failed ? `${plural(sums.failed, "run")} failed` : ended ? "none failed" : "", sums.failed ? "bad" : ""),
    figure("Audiences delivered", count(sums.delivered), sums.pairs ? `of ${count(sums.pairs)}` : ""),
    figure("Records exported", compact(sums.records), sums.records >= 10000 ? count(sums.records) : ""));
}

function runningNow(live, kept, actions) {
  return h("section.card", { "aria-label": "Running now" }, h("h2", {}, "Running now ", h("span.count", {}, live.length)),
    !live.length && h("p.muted", {}, "Nothing is under way."),
    h("ul.list", {}, live.slice(0, 8).map((run) => {
      const progress = kept(run);
      const done = progress ? progress.delivered + progress.failed : 0;
      const total = askedOf(run, progress);
      return h("li", {},
        h("div.line", {}, inside(airflow.activation(run.dag_id, run.dag_run_id), { data: { key: `live-${run.dag_id}-${run.dag_run_id}` } }, run.dag_display_name),
          h("span.muted", {}, run.start_date ? `${duration((Date.now() - new Date(run.start_date)) / 1000)}` : "waiting to start")),
        total !== null && h("div.meter", { role: "img", "aria-label": `${done} of ${total} audiences done` }, h("span", { style: { "--share": total ? (100 * done) / total + "%" : "0%" } })),
        h("p.muted.small", {}, progress ? `${count(done)} of ${plural(total, "audience")} done` : waits(run) ? inside(`${airflow.run(run.dag_id, run.dag_run_id)}/required_actions`, { data: { key: `asked-${run.dag_id}-${run.dag_run_id}` } }, "waiting for approval") : total === null ? "being planned" : `${plural(total, "audience")}, before or during the export`));
    })),
    live.length > 8 && h("p.muted", {}, `and ${live.length - 8} more, in the list below`));
}

/** DAGs that start by themselves, soonest first; paused ones last, since they will not. */
function comingNext(dags) {
  const timed = dags.filter((dag) => !dag.is_paused && dag.next_dagrun_run_after).sort((a, b) => a.next_dagrun_run_after.localeCompare(b.next_dagrun_run_after));
  const waitingFor = dags.filter((dag) => !dag.is_paused && !dag.next_dagrun_run_after && dag.timetable_summary && dag.timetable_summary !== "None");
  const paused = dags.filter((dag) => dag.is_paused && dag.timetable_summary && dag.timetable_summary !== "None");
  return [...timed, ...waitingFor, ...paused].map(({ dag_id, dag_display_name, is_paused, next_dagrun_run_after, timetable_description, timetable_summary }) => ({ dag_id, dag_display_name, is_paused, next: next_dagrun_run_after, description: timetable_description || timetable_summary }));
}

function upcoming(next) {
  return h("section.card", { "aria-label": "Coming next" }, h("h2", {}, "Coming next"),
    h("ul.list", {}, next.slice(0, 8).map((dag) => h("li", {},
      h("div.line", {}, inside(airflow.dag(dag.dag_id), { data: { key: `next-${dag.dag_id}` } }, dag.dag_display_name),
        dag.is_paused ? pill("idle", "Paused", "pause") : h("span", { title: full(dag.next) }, dag.next ? when(dag.next) : "by event")),
      h("p.muted.small", {}, dag.description)))),
    next.length > 8 && h("p.muted", {}, `and ${next.length - 8} more`));
}

function charts() {
  return h("div.charts-grid", {}, Object.entries(CHARTS).map(([name, title]) => h("section.card.chart-card", {},
    h("h2", {}, title),
    h("div.chart", {}, h("canvas", { data: { chart: name }, role: "img", "aria-label": title }, title)),
    h("details", { data: { key: `table-${name}` } }, h("summary", { data: { key: `summary-${name}` } }, "As a table"), h("div", { class: "chart-table", data: { table: name } })))));
}

/** The figures behind the charts, for those who cannot see them. */
function tables(place, runs, { names, kept, choice }) {
  const data = perDay(runs, kept, choice.flow || null);
  const shown = data.days.map((day, index) => ({ day, index })).filter(({ index }) => data.success[index] + data.failed[index] > 0).reverse();
  const make = (name, head, cells) => {
    const box = place.querySelector(`[data-table="${name}"]`);
    const rows = shown.map(({ day, index }) => [day, ...cells(index)]);
    if (box) update(box, [head, rows], () => h("table", {}, h("thead", {}, h("tr", {}, ["Day", ...head].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows.map(([day, ...rest]) => h("tr", {}, h("th", { scope: "row" }, day), rest.map((value, at) => h("td", { data: { label: head[at] } }, value)))))));
  };
  make("records", data.flows.map((flow) => names[flow] || flow), (at) => data.flows.map((flow) => count(data.records.get(flow)[at])));
  make("duration", ["Median"], (at) => [data.minutes[at] === null ? "–" : duration(data.minutes[at] * 60)]);
  make("success", ["Succeeded", "Failed"], (at) => [count(data.success[at]), count(data.failed[at])]);
}

function table(view) {
  const { known, choice, runs, all, kept, names, actions } = view;
  if (!known.dags.length) {
    return notice("idle", "skip", "No campaigns yet", [h("p", {}, "Deliveries of DAGs tagged ", h("code", {}, "aep-activation"), " that you may see appear here.")]);
  }
  if (!runs.length) {
    const chosen = Object.values(choice).some(Boolean);
    return notice("idle", "calendar", chosen ? "No delivery fits this filter" : "No deliveries in the last 30 days", [
      h("p", {}, chosen ? "Choose a longer period or fewer conditions." : "Start one by Trigger on a campaign, or choose a longer period above."),
      !chosen && h("ul.list", {}, known.dags.slice(0, 5).map((dag) => h("li", {}, inside(airflow.dag(dag.dag_id), {}, dag.dag_display_name)))),
    ]);
  }
  watcher?.disconnect();
  watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      watcher.unobserve(entry.target);
      actions.look(watched.get(entry.target));
    }
  }, { rootMargin: "200px" });
  const left = Math.max(0, known.total - all.length);
  return h("section.card", {},
    h("h2", {}, "Deliveries ", h("span.count", {}, count(runs.length))),
    h("table.runs", {},
      h("thead", {}, h("tr", {}, ["Campaign", "State", "Started", "Audiences", "Records", "Duration"].map((label, index) => h("th", { scope: "col", class: index > 2 ? "number" : null }, label)))),
      h("tbody", {}, runs.slice(0, known.shown).map((run) => row(run, kept(run), names, known)))),
    runs.length > known.shown && h("button.button.more", { type: "button", data: { key: "more" }, onclick: actions.more }, `Show more (${count(runs.length - known.shown)} left)`),
    left > 0 && h("p.muted.older", {}, `These are the newest ${count(all.length)} of ${plural(known.total, "run")} in this period. `, h("button.button", { type: "button", data: { key: "older" }, onclick: actions.older }, "Load older ones")));
}

function row(run, result, names, known) {
  const [tone, label] = isDry(run) && run.state === "success" ? ["idle", "Dry run"] : STATES[run.state] ?? ["idle", run.state];
  const total = askedOf(run, result);
  const reading = isFinished(run) && result === undefined && !known.refused.has(run.dag_id);
  const flows = flowsOf(run, result);
  const dry = isDry(run);
  const audiences = result?.pairs ? `${count(result.delivered)} of ${count(result.pairs)}` : reading ? "…" : total === null ? "–" : isFinished(run) ? `0 of ${count(total)}` : count(total);
  const cell = (name, value, extra = "") => h("td", { class: `number ${extra}`, data: { label: name } }, value);
  const element = h("tr", {},
    h("th", { scope: "row" },
      inside(airflow.activation(run.dag_id, run.dag_run_id), { class: "name", data: { key: `run-${run.dag_id}-${run.dag_run_id}` } }, run.dag_display_name),
      h("p.muted.small", {}, flows.length ? `${flows.slice(0, 3).map((flow) => names[flow] || flow).join(", ")}${flows.length > 3 ? ` and ${flows.length - 3} more` : ""}` : run.dag_run_id),
      result?.problem && h("p.error.bad", {}, result.problem),
      run.state === "failed" && result !== undefined && !result?.pairs && h("p.error.bad", {}, "Nothing was sent, or no result was reported.")),
    h("td", { data: { label: "State" } }, pill(tone, label), dry && run.state !== "success" && h("span.note", {}, "dry run"), result?.partly > 0 && h("span.note.warn", {}, `${result.partly} partly`)),
    h("td", { data: { label: "Started" } }, run.start_date ? h("time", { datetime: run.start_date, title: full(run.start_date) }, when(run.start_date)) : "–", run.triggering_user_name && h("p.muted.small", {}, run.triggering_user_name)),
    cell("Audiences", dry ? "–" : audiences, !dry && result && result.delivered < result.pairs && isFinished(run) ? "bad" : ""),
    cell("Records", result ? count(result.records) : reading ? "…" : "–"),
    cell("Duration", run.duration === null || run.duration === undefined || !isFinished(run) ? "–" : duration(run.duration)));
  if (reading) {
    watched.set(element, run);
    watcher.observe(element);
  }
  return element;
}

function exportButton() {
  const button = h("button.button", { type: "button", data: { key: "csv" }, onclick: async () => {
    const { runs, kept, names, actions } = button.parentElement.view;
    button.disabled = true;
    const missing = runs.filter((run) => kept(run) === undefined).length;
    await actions.results(runs, (done) => { label.textContent = `Reading ${done} of ${missing}`; });
    label.textContent = "CSV";
    button.disabled = false;
    save(`activations-${dayKey(Date.now())}.csv`, csv(rowsOf(runs, kept, names)));
  } }, icon("download"));
  const label = h("span", {}, "CSV");
  button.append(label);
  return button;
}

/** One line for each destination of each run; a run without a result has one line too. */
export function rowsOf(runs, kept, names) {
  const head = ["dag_id", "campaign", "run_id", "state", "started_by", "start_date", "end_date", "duration_seconds", "flow_id", "destination", "audiences", "audiences_delivered", "records_exported", "problem"];
  const lines = runs.flatMap((run) => {
    const own = [run.dag_id, run.dag_display_name, run.dag_run_id, run.state, run.triggering_user_name, run.start_date, run.end_date, run.duration];
    const result = kept(run);
    const flows = Object.entries(result?.flows ?? {});
    if (!flows.length) return [[...own, null, null, askedOf(run, result), null, null, null]];
    return flows.map(([flow, sums]) => [...own, flow, names[flow] ?? "", sums.pairs, sums.delivered, sums.records, result.problem]);
  });
  return [head, ...lines];
}
