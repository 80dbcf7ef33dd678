// How a run with its deliveries looks.

import { h, icon, update } from "./dom.js";
import { writtenText } from "./figures.js";
import { between, clock, compact, count, duration, full, plural, when } from "./format.js";
import { deliveriesText } from "./headline.js";
import { jobs } from "./jobs_view.js";
import { airflow, inside } from "./links.js";
import { bar, notice, problemOf } from "./parts.js";
import { download, pairs } from "./pairs_view.js";

const PARTS = ["headline", "figures", "stages", "pairs", "jobs", "about"];
const REASONS_SHOWN = 5;
const MOST_REASONS = 200;
const STALE = "Airflow does not answer at the moment. What you see may be old; it is tried again.";
/** What a person has chosen; survives the next look at the run. */
const choices = new Map();

/** Say what is wrong, or that there is nothing, instead of a delivery. */
export function showNotice(page, error, { dagId, runId, retry }) {
  const what = `run ${runId} of ${dagId}`;
  update(page, ["notice", error.status, error.message], () => problemOf(error, { retry, what }));
}

/** Show a run: `reading` while its XComs are not there yet, `stale` when Airflow did not answer the last time. */
export function showDelivery(page, view) {
  const { found, reading, stale, hidden } = view;
  if (!found.length) {
    update(page, "none", noDelivery);
    return;
  }
  layOut(page, found.length);
  update(document.getElementById("banner"), [stale, hidden], () => [
    stale && h("p.banner.warn", {}, icon("warning"), STALE),
    hidden && h("p.banner.warn", {}, icon("warning"), hidden),
  ]);
  const spoken = document.getElementById("spoken");
  const titles = found.map((delivery) => delivery.headline.title).join(". ");
  if (!reading && spoken.textContent !== titles) spoken.textContent = titles;
  found.forEach((delivery, index) => showOne(page, view, delivery, index));
}

function noDelivery() {
  const list = inside(airflow.activations(), {}, "Activations");
  return notice("idle", "skip", "This run delivers no audiences", [
    h("p", {}, "It has no task of Adobe Experience Platform. The deliveries of all DAGs are on the page ", list, "."),
  ]);
}

/** Make the places of all parts, once. */
function layOut(page, number) {
  const ids = Array.from({ length: number }, (_, index) => `delivery-${index}`);
  if (page.dataset.parts === ids.join()) return;
  const article = (id) =>
    h(
      "article.delivery",
      { id },
      PARTS.map((part) => h("div", { class: `part ${part}` })),
    );
  page.replaceChildren(
    h("div", { id: "banner", role: "status" }),
    h("p.hidden", { id: "spoken", role: "status" }),
    ...ids.map(article),
  );
  page.dataset.parts = ids.join();
  page.shownSignature = null;
}

function showOne(page, view, delivery, index) {
  const { run, found, reading } = view;
  const place = document.getElementById(`delivery-${index}`);
  const choice = choices.get(index) ?? {};
  const choose = (news) => {
    choices.set(index, { ...choices.get(index), ...news });
    showDelivery(page, view);
  };
  const context = { ...view, delivery, many: found.length > 1, choice, choose };
  const now = run.end_date ?? new Date().toISOString();
  const seconds = between(run.start_date, now);
  /** Running times are redrawn every three seconds. */
  const tick = (goesOn) => goesOn && Math.floor(Date.now() / 3000);
  const show = (name, shown, build) => update(place.querySelector(`.part.${name}`), shown, () => build(context));
  show("headline", [delivery.headline, delivery.title, run.state, run.note, reading], headline);
  show("figures", [delivery.counts, delivery.records, run.start_date, run.end_date, reading, seconds], (part) =>
    figures(part, seconds),
  );
  show("stages", [delivery.stages, tick(run.state === "running")], stages);
  show("jobs", [delivery.jobs, tick(delivery.jobs.some((job) => !job.end))], jobs);
  show("pairs", [delivery.pairs, delivery.link, choice, [...(choice.shown ?? [])], reading], pairs);
  show("about", [run.conf, run.run_type, run.triggering_user_name, delivery.snapshot], about);
}

function headline({ run, delivery, dagId, runId, reading, many }) {
  // What has ended is not judged before its result is read.
  const isReading = reading && delivery.headline.tone !== "busy";
  const headed = isReading ? { tone: "idle", icon: "running", title: "Reading the result…" } : delivery.headline;
  const { tone, icon: sign, title, text, why = [], advice = [], approve } = headed;
  const question = `${airflow.run(dagId, runId)}/required_actions`;
  const csv = { type: "button", data: { key: "csv" }, onclick: () => download(delivery, run) };
  const again = { class: "button", data: { testid: "deliver-again", key: "again" } };
  return h(
    "header",
    { class: `card verdict-card tone-${tone}` },
    h("span.badge", {}, icon(sign)),
    h(
      "div.words",
      {},
      many && h("p.eyebrow", {}, delivery.title),
      h("h1", {}, title),
      text && h("p.lead", {}, text),
      reasons(why),
      advice.map((line) => h("p.advice", {}, line)),
      approve && h("p.advice", {}, inside(question, { class: "button" }, "Look at the plan and answer")),
    ),
    h(
      "div.actions",
      {},
      delivery.pairs.length > 0 && h("button.button", csv, icon("download"), "CSV"),
      inside(airflow.activations(), { class: "button quiet", data: { key: "all" } }, "All activations"),
      ["success", "failed"].includes(run.state) && inside(airflow.deliver(run), again, icon("again"), "Deliver again"),
    ),
  );
}

function reasons(why) {
  const list = (texts) =>
    h(
      "ul.why",
      {},
      texts.map((text) => h("li", {}, text)),
    );
  const more = why.length - REASONS_SHOWN;
  return [
    why.length > 0 && list(why.slice(0, REASONS_SHOWN)),
    more > 0 &&
      h(
        "details",
        { data: { key: "why" } },
        h("summary", { data: { key: "why-summary" } }, plural(more, "more reason")),
        list(why.slice(REASONS_SHOWN, MOST_REASONS)),
      ),
  ];
}

function figures({ run, delivery, reading }, seconds) {
  const { counts, records, pairs: all } = delivery;
  const figure = (label, value, hint, tone = "") =>
    h("div", { class: `figure ${tone}` }, h("dt", {}, label), h("dd", {}, value), hint && h("dd.hint", {}, hint));
  const exact = (value) => (value >= 10000 ? count(value) : "");
  const known = (value) => (value === null ? "–" : compact(value));
  const exported = `${records.isPart && records.exported !== null ? "≥ " : ""}${known(records.exported)}`;
  const problems = counts.failed + counts.not_sent + counts.unknown;
  const lossy = all.filter((pair) => pair.lost > 0).length;
  const doubtful = all.filter((pair) => pair.lost).length - lossy;
  const lost = [
    lossy > 0 && `${count(lossy)} of them lost records`,
    doubtful > 0 && `${count(doubtful)} of them may lack records`,
  ]
    .filter(Boolean)
    .join(", ");
  const partly = counts.partial_success && `${count(counts.partial_success)} more only partly`;
  const started = run.start_date ? `since ${when(run.start_date)}` : "not started";
  return [
    h(
      "dl.figures-grid",
      {},
      figure(
        "Delivered",
        reading && !all.length ? "…" : `${count(counts.success)} of ${count(all.length)}`,
        lost || partly || plural(delivery.flows.length, "destination"),
      ),
      figure("Records exported", exported, writtenText(records) || exact(records.exported)),
      figure("Records skipped", known(records.skipped), ""),
      figure("Records failed", known(records.failed), "", records.failed ? "bad" : ""),
      figure("Problems", count(problems), problems ? "see below" : "", problems ? "bad" : ""),
      figure(run.end_date ? "Took" : "Running for", run.start_date ? duration(seconds) : "–", started),
    ),
    all.length > 0 && bar(counts, all.length),
  ];
}

const STAGE_ICONS = {
  done: "check",
  active: "running",
  failed: "cross",
  skipped: "skip",
  unreached: "skip",
  pending: "dot",
};
const STAGE_WORDS = {
  done: "done",
  active: "now",
  failed: "failed",
  skipped: "left out",
  unreached: "not reached",
  pending: "to come",
};

function stages({ delivery }) {
  return h(
    "section.card",
    { "aria-label": "Timeline" },
    h("h2", {}, "Timeline"),
    h("ol.stages-list", {}, delivery.stages.map(stageItem)),
  );
}

function stageItem({ label, hint, state, start, end }) {
  const isActive = state === "active";
  const took = between(start, end ?? (isActive ? new Date().toISOString() : null));
  const isTimed = start && ["done", "active", "failed"].includes(state);
  const time = () => [
    h("time", { datetime: start, title: full(start) }, clock(start)),
    took !== null && ` · ${duration(took)}`,
  ];
  return h(
    "li",
    { class: `stage stage-${state}`, title: hint, "aria-current": isActive ? "step" : null },
    h("span.mark", {}, icon(STAGE_ICONS[state])),
    h("span.stage-name", {}, label),
    h("span.stage-time", {}, isTimed ? time() : STAGE_WORDS[state]),
    h("span.hidden", {}, `, ${STAGE_WORDS[state]}`),
  );
}

const RUN_TYPES = new Map([
  ["manual", "by hand"],
  ["scheduled", "by schedule"],
  ["asset_triggered", "by an asset event"],
  ["backfill", "by a backfill"],
  ["operator_triggered", "by another DAG"],
]);

function about({ run, delivery }) {
  const fact = (label, value) => value && h("div", {}, h("dt", {}, label), h("dd", {}, value));
  const time = (moment) => moment && h("time", { datetime: moment }, full(moment));
  const settings = Object.entries(run.conf ?? {}).filter(([name]) => name !== "activation_info");
  const shown = (value) => h("code", {}, typeof value === "string" ? value : JSON.stringify(value));
  const { pairs: all, flows, snapshot } = delivery;
  const starter = [RUN_TYPES.get(run.run_type) ?? run.run_type, run.triggering_user_name].filter(Boolean).join(", ");
  return h(
    "section.card",
    {},
    h("h2", {}, "About this run"),
    h(
      "dl.facts",
      {},
      fact("Started", starter),
      fact("At", time(run.start_date)),
      fact("Ended", time(run.end_date)),
      fact("Snapshot", snapshot && `segment export job ${snapshot}`),
      fact("Asked for", all.length > 0 && `${deliveriesText(all.length)} to ${plural(flows.length, "destination")}`),
      fact("Note", run.note),
      settings.map(([name, value]) => fact(name, shown(value))),
    ),
  );
}
