// How a delivery looks.

import { h, icon, update } from "./dom.js";
import { between, clock, compact, count, duration, full, plural, when } from "./format.js";
import { airflow, destinationUrl, inside, outside } from "./links.js";
import { PROBLEMS, STATUSES } from "./delivery.js";
import { bar, notice, pill, problemOf } from "./parts.js";
import { csv, save } from "./csv.js";

const ROWS = 100;
const FILTER_FROM = 12;
/** What a person has chosen; survives the next look at the run. */
const choices = new Map();

/** Say what is wrong, or that there is nothing, instead of a delivery. */
export function showNotice(page, error, { dagId, runId, retry }) {
  update(page, ["notice", error.status, error.message], () => problemOf(error, { retry, what: `run ${runId} of ${dagId}` }));
}

/** Show a run: `reading` while its XComs are not there yet, `stale` when Airflow did not answer the last time. */
export function showDelivery(page, { run, found, reading, stale, hidden, dagId, runId }) {
  if (!found.length) {
    update(page, "none", () => notice("idle", "skip", "This run delivers no audiences", [
      h("p", {}, "It has no task of Adobe Experience Platform. The deliveries of all DAGs are on the page ",
        inside(airflow.activations(), {}, "Activations"), "."),
    ]));
    return;
  }
  const ids = ["banner", ...found.map((_, index) => `delivery-${index}`)];
  if (page.dataset.parts !== ids.join()) {
    page.replaceChildren(
      h("div", { id: "banner", role: "status" }),
      h("p.hidden", { id: "spoken", role: "status" }),
      ...found.map((_, index) => h("article.delivery", { id: `delivery-${index}` }, ...["verdict", "figures", "stages", "pairs", "jobs", "asked"].map((part) => h("div", { class: `part ${part}` })))),
    );
    page.dataset.parts = ids.join();
    page.shownSignature = null;
  }
  update(document.getElementById("banner"), [stale, hidden], () => [
    stale && h("p.banner.warn", {}, icon("warning"), "Airflow does not answer at the moment. What you see may be old; it is tried again."),
    hidden && h("p.banner.warn", {}, icon("warning"), hidden),
  ]);
  const spoken = found.map((delivery) => delivery.verdict.title).join(". ");
  if (!reading && document.getElementById("spoken").textContent !== spoken) document.getElementById("spoken").textContent = spoken;
  const reload = () => showDelivery(page, { run, found, reading, stale, hidden, dagId, runId });
  found.forEach((delivery, index) => {
    const place = document.getElementById(`delivery-${index}`);
    const part = (name) => place.querySelector(`.part.${name}`);
    const context = { run, delivery, dagId, runId, reading, many: found.length > 1, index, reload };
    const now = run.end_date ?? new Date().toISOString();
    update(part("verdict"), [delivery.verdict, delivery.title, run.state, run.note, reading], () => verdict(context));
    update(part("figures"), [delivery.counts, delivery.records, run.start_date, run.end_date, reading, seconds(run, now)], () => figures(context, now));
    update(part("stages"), [delivery.stages, run.state === "running" && Math.floor(Date.now() / 3000)], () => stages(context));
    update(part("jobs"), [delivery.jobs, delivery.jobs.some((job) => !job.end) && Math.floor(Date.now() / 3000)], () => jobs(context));
    const choice = choices.get(index) ?? {};
    update(part("pairs"), [delivery.pairs, delivery.link, choice, reading], () => pairs(context, choice));
    update(part("asked"), [run.conf, run.run_type, run.triggering_user_name, delivery.snapshot], () => asked(context));
  });
}

const seconds = (run, now) => between(run.start_date, run.end_date ?? now);

function verdict({ run, delivery, dagId, runId, reading, many }) {
  const { verdict: said } = delivery;
  const why = said.why ?? [];
  return h("header", { class: `card verdict-card tone-${said.tone}` },
    h("span.badge", {}, icon(said.icon)),
    h("div.words", {},
      many && h("p.eyebrow", {}, delivery.title),
      h("h1", {}, reading && said.tone !== "busy" && !delivery.pairs.length ? "Reading the result…" : said.title),
      said.text && h("p.lead", {}, said.text),
      why.length > 0 && h("ul.why", {}, why.slice(0, 5).map((text) => h("li", {}, text))),
      why.length > 5 && h("details", { data: { key: "why" } }, h("summary", { data: { key: "why-summary" } }, `${why.length - 5} more reasons`), h("ul.why", {}, why.slice(5, 200).map((text) => h("li", {}, text)))),
      said.advice && h("p.advice", {}, said.advice),
      said.approve && h("p.advice", {}, inside(`${airflow.run(dagId, runId)}/required_actions`, { class: "button" }, "Look at the plan and answer"))),
    h("div.actions", {},
      delivery.pairs.length > 0 && h("button.button", { type: "button", data: { key: "csv" }, onclick: () => download(delivery, run) }, icon("download"), "CSV"),
      inside(airflow.activations(), { class: "button quiet", data: { key: "all" } }, "All activations")));
}

function figures({ run, delivery, reading }, now) {
  const { counts, records, pairs: all } = delivery;
  const figure = (label, value, hint, tone = "") => h("div", { class: `figure ${tone}` }, h("dt", {}, label), h("dd", {}, value), hint && h("dd.hint", {}, hint));
  const known = (value) => (value === null ? "–" : compact(value));
  const problems = counts.failed + counts.not_sent + counts.unknown;
  return [
    h("dl.figures-grid", {},
      figure("Audiences delivered", reading && !all.length ? "…" : `${count(counts.success)} of ${count(all.length)}`,
        counts.partial_success ? `${count(counts.partial_success)} more only partly` : plural(delivery.flows.length, "destination")),
      figure("Records exported", known(records.exported), records.exported >= 10000 ? count(records.exported) : ""),
      figure("Records skipped", known(records.skipped), ""),
      figure("Records failed", known(records.failed), "", records.failed ? "bad" : ""),
      figure("Problems", count(problems), problems ? "see below" : "", problems ? "bad" : ""),
      figure(run.end_date ? "Took" : "Running for", run.start_date ? duration(seconds(run, now)) : "–", run.start_date ? `since ${when(run.start_date)}` : "not started")),
    all.length > 0 && bar(counts, all.length),
  ];
}

const STAGE_ICONS = { done: "check", active: "running", failed: "cross", skipped: "skip", unreached: "skip", pending: "dot" };
const STAGE_WORDS = { done: "done", active: "now", failed: "failed", skipped: "left out", unreached: "not reached", pending: "to come" };

function stages({ delivery, run }) {
  return h("section.card", { "aria-label": "Timeline" },
    h("h2", {}, "Timeline"),
    h("ol.stages-list", {}, delivery.stages.map((stage) => {
      const took = between(stage.start, stage.end ?? (stage.state === "active" ? new Date().toISOString() : null));
      return h("li", { class: `stage stage-${stage.state}`, title: stage.hint, "aria-current": stage.state === "active" ? "step" : null },
        h("span.mark", {}, icon(STAGE_ICONS[stage.state])),
        h("span.stage-name", {}, stage.label),
        h("span.stage-time", {},
          stage.start && ["done", "active", "failed"].includes(stage.state)
            ? [h("time", { datetime: stage.start, title: full(stage.start) }, clock(stage.start)), took !== null && ` · ${duration(took)}`]
            : STAGE_WORDS[stage.state]),
        h("span.hidden", {}, `, ${STAGE_WORDS[stage.state]}`));
    })));
}

const JOB_STATES = {
  success: ["good", "Submitted"], failed: ["bad", "Failed"], upstream_failed: ["bad", "Not reached"], skipped: ["idle", "Skipped"],
  deferred: ["busy", "Waiting"], running: ["busy", "Submitting"], queued: ["busy", "Queued"], up_for_retry: ["warn", "Will try again"],
};

function jobs({ delivery, dagId, runId }) {
  if (!delivery.jobs.length) return null;
  return h("section.card", {},
    h("h2", {}, "Jobs ", h("span.count", {}, delivery.jobs.length)),
    h("ul.jobs-list", {}, delivery.jobs.map(({ task, number, of, pairs: size, counts, flows, state, tries, start, end }) => {
      const [tone, word] = JOB_STATES[state] ?? ["idle", "To come"];
      return h("li.job", {},
        h("div.job-head", {}, h("strong", {}, number ? `Job ${number} of ${of || number}` : task.task_display_name), pill(tone, word)),
        h("p.job-text", {}, `${plural(size, "audience")} · ${flows.slice(0, 3).join(", ")}${flows.length > 3 ? ` and ${flows.length - 3} more` : ""}`),
        size > 0 && bar(counts, size, true),
        h("p.job-text.muted", {},
          start && [h("time", { datetime: start, title: full(start) }, clock(start)), ` · ${duration(between(start, end ?? new Date().toISOString()))}`],
          tries > 1 && ` · try ${tries}`, start && " · ",
          inside(airflow.task(dagId, runId, task.task_id, task.map_index), { data: { key: `job-${task.task_id}-${task.map_index}` } }, "Task log")));
    })));
}

function pairs(context, choice) {
  const { delivery, index, reload, reading } = context;
  if (!delivery.pairs.length) {
    return h("section.card", {}, h("h2", {}, "Deliveries"),
      h("p.muted", {}, reading ? "Reading what this run delivers…" : delivery.over ? "Nothing is known of what this run was to deliver." : "They appear as soon as the plan is made."));
  }
  const choose = (news) => {
    choices.set(index, { ...choices.get(index), ...news });
    reload();
  };
  const words = (choice.search ?? "").trim().toLowerCase();
  const wanted = delivery.pairs.filter((pair) => (!choice.status || (choice.status === "problems" ? PROBLEMS.has(pair.status) : pair.status === choice.status))
    && (!words || `${pair.audienceName} ${pair.audience} ${pair.flowName} ${pair.flow} ${pair.error ?? ""}`.toLowerCase().includes(words)));
  const groups = Map.groupBy
    ? Map.groupBy(wanted, (pair) => pair.flow)
    : wanted.reduce((map, pair) => map.set(pair.flow, [...(map.get(pair.flow) ?? []), pair]), new Map());
  return h("section.card", {},
    h("h2", {}, "Deliveries ", h("span.count", {}, count(delivery.pairs.length))),
    delivery.pairs.length >= FILTER_FROM && filters(delivery, choice, choose),
    !wanted.length && h("p.muted", {}, "No delivery fits this filter."),
    [...groups].map(([flow, own]) => destination(context, flow, own, choice, choose)));
}

function filters(delivery, choice, choose) {
  const chip = (status, label, number) => h("button.chip", {
    type: "button", "aria-pressed": String((choice.status ?? null) === status), data: { key: `chip-${status}` }, onclick: () => choose({ status }),
  }, `${label} `, h("span.count", {}, count(number)));
  const problems = delivery.pairs.filter((pair) => PROBLEMS.has(pair.status)).length;
  return h("div.toolbar", {},
    h("label.search", {}, icon("search"), h("span.hidden", {}, "Find an audience or a destination"),
      h("input", { type: "search", placeholder: "Find an audience", value: choice.search ?? "", data: { key: "search" }, oninput: (event) => later(() => choose({ search: event.target.value })) })),
    h("div.chips", { role: "group", "aria-label": "Status" },
      chip(null, "All", delivery.pairs.length),
      problems > 0 && chip("problems", "Problems", problems),
      Object.entries(STATUSES).map(([status, { label }]) => delivery.counts[status] > 0 && delivery.counts[status] < delivery.pairs.length && chip(status, label, delivery.counts[status]))));
}

let waiting = null;
function later(act) {
  clearTimeout(waiting);
  waiting = setTimeout(act, 150);
}

function destination({ delivery, dagId, runId }, flow, own, choice, choose) {
  const name = own[0].flowName;
  const url = destinationUrl(delivery.link, flow);
  const sorted = [...own].sort((a, b) => PROBLEMS.has(b.status) - PROBLEMS.has(a.status));
  const shown = choice.shown?.[flow] ?? ROWS;
  const ended = own.filter((pair) => ["success", "partial_success"].includes(pair.status)).length;
  const records = own.reduce((sum, pair) => sum + (pair.exported ?? 0), 0);
  return h("section.destination", { "aria-label": name || flow },
    h("div.destination-head", {},
      h("h3", {}, name || flow),
      h("p.muted", {}, `${count(ended)} of ${count(own.length)} delivered`, records > 0 && ` · ${plural(records, "record")}`),
      url && outside(url, { class: "aep-link", data: { key: `flow-${flow}` } }, "Open in AEP"),
      name && h("code.id", { title: "Flow id" }, flow)),
    h("table", {},
      h("thead", {}, h("tr", {}, ["Audience", "Status", "Exported", "Skipped", "Failed", "Duration"].map((label, index) => h("th", { scope: "col", class: index > 1 ? "number" : null }, label)))),
      h("tbody", {}, sorted.slice(0, shown).map((pair) => row(pair)))),
    sorted.length > shown && h("button.button.more", {
      type: "button", data: { key: `more-${flow}` }, onclick: () => choose({ shown: { ...choice.shown, [flow]: shown + 5 * ROWS } }),
    }, `Show more (${count(sorted.length - shown)} left)`));
}

function row(pair) {
  const status = STATUSES[pair.status];
  const took = between(pair.startedAt, pair.endedAt ?? (pair.status === "in_progress" ? new Date().toISOString() : null));
  const cell = (label, value, extra = "") => h("td", { class: `number ${extra}`, data: { label } }, value);
  const said = [pair.code && `[${pair.code}]`, pair.error].filter(Boolean).join(" ");
  const empty = pair.exported === 0 && pair.endedAt;
  return h("tr", { class: `row-${status.tone}` },
    h("th", { scope: "row" },
      h("span.name", {}, pair.audienceName || pair.audience),
      pair.audienceName && h("code.id", { title: "Audience id" }, pair.audience),
      said && h("p", { class: `error ${status.tone}` }, said),
      pair.runId && h("p.run-id", {}, "Flow run ", h("code", {}, pair.runId))),
    h("td", { data: { label: "Status" } }, pill(status.tone, status.label, status.icon), pair.adopted && h("span.note", { title: "Started by somebody else, taken as this delivery" }, "adopted"), empty && h("span.note.warn", {}, "empty")),
    cell("Exported", count(pair.exported)), cell("Skipped", count(pair.skipped)), cell("Failed", count(pair.failed), pair.failed ? "bad" : ""),
    cell("Duration", duration(took)));
}

function asked({ run, delivery }) {
  const fact = (label, value) => value && h("div", {}, h("dt", {}, label), h("dd", {}, value));
  const conf = { ...run.conf };
  delete conf.activation_info;
  const settings = Object.entries(conf);
  const kinds = { manual: "by hand", scheduled: "by schedule", asset_triggered: "by an asset event", backfill: "by a backfill", operator_triggered: "by another DAG" };
  return h("section.card", {}, h("h2", {}, "About this run"),
    h("dl.facts", {},
      fact("Started", `${kinds[run.run_type] ?? run.run_type ?? ""}${run.triggering_user_name ? `, ${run.triggering_user_name}` : ""}`),
      fact("At", run.start_date && h("time", { datetime: run.start_date }, full(run.start_date))),
      fact("Ended", run.end_date && h("time", { datetime: run.end_date }, full(run.end_date))),
      fact("Snapshot", delivery.snapshot && `segment export job ${delivery.snapshot}`),
      fact("Asked for", delivery.pairs.length > 0 && `${plural(delivery.pairs.length, "audience")} to ${plural(delivery.flows.length, "destination")}`),
      fact("Note", run.note),
      settings.map(([name, value]) => fact(name, h("code", {}, typeof value === "string" ? value : JSON.stringify(value))))));
}

function download(delivery, run) {
  const head = ["dag_id", "run_id", "destination", "flow_id", "audience", "audience_id", "status", "records_exported", "records_skipped", "records_failed", "started_at", "completed_at", "flow_run_id", "error_code", "error"];
  const rows = delivery.pairs.map((pair) => [run.dag_id, run.dag_run_id, pair.flowName, pair.flow, pair.audienceName, pair.audience, pair.status, pair.exported, pair.skipped, pair.failed, pair.startedAt, pair.endedAt, pair.runId, pair.code, pair.error]);
  save(`activation-${run.dag_run_id.replace(/[^\w.-]+/g, "_")}.csv`, csv([head, ...rows]));
}
