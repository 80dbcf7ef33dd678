// From what Airflow knows of a run to what a person wants to know of a delivery. No requests, no page.

import { exported, written } from "./figures.js";
import { headlineOf } from "./headline.js";
import { ACTIVE, ENDED, FAILED, stagesOf } from "./stages.js";
import { knownStatus, tally } from "./statuses.js";
import {
  figuresOf,
  jobsOf,
  KEYS,
  knownNumber,
  lostIn,
  namesOf,
  pairsOf,
  reasonToSkip,
  resultsOf,
  submissionOf,
  TASK_IDS,
  verdictOf,
} from "./xcom.js";

/** Operator → its part in a delivery. A task's id may have any prefix. */
const PARTS = new Map([
  ["PlanJobsOperator", "plan"],
  ["SegmentExportSensor", "export"],
  ["LatestSegmentExportOperator", "snapshot"],
  ["AdHocActivationOperator", "activate"],
  ["DeliveryOperator", "watch"],
  ["FlowRunSensor", "watch"],
  ["DeliveryReportOperator", "report"],
]);
/** XComs that are read, by part. */
export const KEYS_OF_PART = {
  plan: [KEYS.RETURN_VALUE, KEYS.BRIEFING, KEYS.CAMPAIGN_DAY],
  snapshot: [KEYS.RETURN_VALUE],
  activate: [KEYS.SUBMISSION, KEYS.PROGRESS, KEYS.LINK],
  watch: [KEYS.PROGRESS, KEYS.RETURN_VALUE, KEYS.LINK],
  report: [KEYS.RETURN_VALUE],
};

/** The part that a task has in a delivery, null for any other task. */
export function partOf(task) {
  const part = PARTS.get(task.operator_name ?? task.operator ?? "");
  if (part) return part;
  return task.task_id.slice(prefixOf(task.task_id).length) === TASK_IDS.APPROVE ? "approve" : null;
}

const prefixOf = (taskId) => taskId.slice(0, taskId.lastIndexOf(".") + 1);

/** Name under which a task's XCom is kept. */
export const xcomKey = (task, key) => `${task.task_id}|${task.map_index}|${key}`;

/**
 * Read a run: one delivery, or one for each group of tasks.
 * @param {object} run Airflow's DAG run
 * @param {object[]} tasks Airflow's task instances
 * @param {Map<string, any>} values XComs, by `xcomKey`
 * @param {Map<string, string>} errors what failed tasks said, by `xcomKey(task, "error")`
 */
export function deliveries(run, tasks, values, errors = new Map()) {
  const groups = new Map();
  for (const task of tasks) {
    const part = partOf(task);
    if (!part) continue;
    const prefix = prefixOf(task.task_id);
    if (!groups.has(prefix)) groups.set(prefix, []);
    groups.get(prefix).push({ ...task, part });
  }
  const found = [...groups].filter(([, own]) => own.some((task) => task.part !== "approve"));
  return found.map(([prefix, own]) => delivery(run, prefix, own, { values, errors, alone: found.length === 1 }));
}

function delivery(run, prefix, tasks, { values, errors, alone }) {
  const tasksOf = (part) => tasks.filter((task) => task.part === part).sort((a, b) => a.map_index - b.map_index);
  const valueOf = (task, key) => (task ? (values.get(xcomKey(task, key)) ?? null) : null);
  const [plan] = tasksOf("plan");
  const [report] = tasksOf("report");
  const planned = jobsOf(valueOf(plan, KEYS.RETURN_VALUE));
  // A plan without a job is the end of its run: a dry run, or a campaign day that is not this run's to deliver.
  const skipsRest = plan?.state === "success" && planned?.length === 0;
  const skippedBy = skipsRest ? reasonToSkip(valueOf(plan, KEYS.CAMPAIGN_DAY)) : "";
  const over = run.state === "success" || run.state === "failed";
  const names = namesOf(valueOf(plan, KEYS.BRIEFING));
  const known = { run, alone, tasksOf, valueOf, planned: planned ?? [], names, skipsRest, over };
  const reported = ENDED.has(report?.state) ? valueOf(report, KEYS.RETURN_VALUE) : null;
  const pairs = pairsIn(known, resultsOf(reported));
  for (const pair of pairs) {
    pair.flowName = names.get(pair.flow) ?? "";
    pair.audienceName = names.get(pair.audience) ?? "";
  }
  const failed = tasks.filter((task) => task.state === "failed");
  const result = {
    title: prefix.replace(/\.$/, ""),
    pairs,
    counts: tally(pairs),
    records: sums(pairs),
    jobs: activateTasks(known).map((task, index) => jobOf(task, known.planned[index], planned?.length, pairs)),
    stages: stagesOf(tasksOf, { skipsRest, over, reported: reported !== null }),
    failures: failed.map((task) => ({
      task,
      part: task.part,
      text: errors.get(xcomKey(task, "error")) ?? "",
    })),
    flows: [...new Set(pairs.map((pair) => pair.flow))],
    snapshot: valueOf(tasksOf("snapshot")[0], KEYS.RETURN_VALUE),
    link: tasks.map((task) => valueOf(task, KEYS.LINK)).find((url) => typeof url === "string") ?? null,
    dryRun: skipsRest && !skippedBy,
    skippedBy,
    over,
    ended: tasks.every((task) => ENDED.has(task.state)),
    retrying: tasks.some((task) => task.state === "up_for_retry"),
    state: stateOf(tasks, run),
    verdict: verdictOf(reported),
  };
  return { ...result, headline: headlineOf(result, run, tasksOf) };
}

/** The state of one group of tasks in a run that may have several. */
function stateOf(tasks, run) {
  if (!tasks.every((task) => ENDED.has(task.state))) return run.state;
  return tasks.some((task) => FAILED.has(task.state)) ? "failed" : "success";
}

function activateTasks({ tasksOf, skipsRest }) {
  const planless = !tasksOf("plan").length;
  // Before its jobs are known, Airflow shows a mapped task as one without an index.
  return tasksOf("activate").filter(
    (task) => !skipsRest && (task.map_index >= 0 || planless || ACTIVE.has(task.state)),
  );
}

/** All pairs of a delivery: what was asked for, then what each task knows better, in the order of the run. */
function pairsIn(known, reported) {
  const { run, alone, tasksOf, valueOf, planned, names, skipsRest, over } = known;
  const pairs = new Map();
  const learn = (flow, audience, news = {}) => {
    if (typeof flow !== "string" || typeof audience !== "string") return;
    const key = `${flow}\n${audience}`;
    pairs.set(key, { key, flow, audience, status: "planned", job: null, ...pairs.get(key), ...news });
  };
  const learnResults = (results) => {
    for (const item of results ?? []) learn(item.flow_id, item.audience_id, newsOf(item));
  };

  for (const job of planned) {
    for (const [flow, audience] of pairsOf(job.activation_info)) learn(flow, audience, { job: job.job });
  }
  if (!pairs.size && alone) {
    const ids = idsByName(names);
    for (const pair of pairsOf(run.conf?.activation_info)) learn(...pair.map((given) => ids.get(given) ?? given));
  }
  for (const task of activateTasks(known)) {
    learnSubmission(learn, submissionOf(valueOf(task, KEYS.SUBMISSION)), ENDED.has(task.state));
    learnResults(resultsOf(valueOf(task, KEYS.PROGRESS)));
  }
  for (const task of tasksOf("watch")) {
    learnResults(resultsOf(valueOf(task, KEYS.PROGRESS)) ?? resultsOf(valueOf(task, KEYS.RETURN_VALUE)));
  }
  learnResults(reported);
  const found = [...pairs.values()];
  for (const pair of found) {
    if (skipsRest) pair.status = "checked";
    else if (over) pair.status = statusAtEnd(pair.status, tasksOf("activate"));
  }
  return found;
}

/** What a run was asked for by its name, the plan has found the id of; a name of two things says nothing. */
function idsByName(names) {
  const ids = new Map();
  for (const [id, name] of names) ids.set(name, ids.has(name) || names.has(name) ? null : id);
  return ids;
}

function learnSubmission(learn, { job, orders, missing, missingIs }, hasEnded) {
  for (const order of orders) {
    const news = { status: "submitted", runId: order.run_id, adopted: Boolean(order.adopted), job };
    learn(order.flow_id, order.audience_id, news);
  }
  const status = hasEnded || missingIs === "unknown" ? knownStatus(missingIs) : "planned";
  for (const [flow, audience] of missing) learn(flow, audience, { status });
}

/** What is known of a pair whose run is over although no task has told how it ended. */
function statusAtEnd(status, activates) {
  if (status === "submitted" || status === "in_progress") return "unknown";
  if (status !== "planned") return status;
  return activates.some((task) => task.start_date) ? "unknown" : "not_sent";
}

function newsOf(item) {
  return {
    status: knownStatus(item.status),
    runId: item.run_id ?? null,
    exported: knownNumber(item.records_exported),
    skipped: knownNumber(item.records_skipped),
    failed: knownNumber(item.records_failed),
    exportedInRun: knownNumber(item.records_exported_in_run),
    failedInRun: knownNumber(item.records_failed_in_run),
    ...figuresOf(item),
    lost: lostIn(item),
    startedAt: item.started_at ?? null,
    endedAt: item.completed_at ?? null,
    code: item.error_code || "",
    error: item.error || "",
    adopted: Boolean(item.adopted),
  };
}

function jobOf(task, plan, planned, pairs) {
  const number = plan?.job ?? (task.map_index >= 0 ? task.map_index + 1 : null);
  const own = pairs.filter((pair) => pair.job === null || pair.job === number);
  return {
    task,
    number,
    of: plan?.of ?? planned ?? 0,
    pairs: own.length,
    counts: tally(own),
    flows: [...new Set(own.map((pair) => pair.flowName || pair.flow))],
    state: task.state,
    tries: task.try_number,
    start: task.start_date,
    end: ENDED.has(task.state) ? task.end_date : null,
  };
}

/** Sums of the counts that are known; files and bytes only of all that was delivered. Null where AEP gives none. */
function sums(pairs) {
  const sum = (key) => {
    const known = pairs.map((pair) => pair[key]).filter((value) => typeof value === "number");
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  };
  const { records, isPart } = exported(pairs);
  return { exported: records, isPart, skipped: sum("skipped"), failed: failedOf(pairs), ...written(pairs) };
}

/** Records that failed, also those of which AEP does not say of which of a run's audiences they are: once for the run. */
function failedOf(pairs) {
  const runs = new Map();
  pairs.forEach(({ runId, failed, failedInRun }, at) => {
    const { own, whole } = runs.get(runId || at) ?? { own: null, whole: null };
    const sum = typeof failed === "number" ? (own ?? 0) + failed : own;
    runs.set(runId || at, { own: sum, whole: failedInRun ?? whole });
  });
  const known = [...runs.values()].filter(({ own, whole }) => own !== null || whole !== null);
  return known.length ? known.reduce((sum, { own, whole }) => sum + Math.max(own ?? 0, whole ?? 0), 0) : null;
}
