// From what Airflow knows of a run to what a person wants to know of a delivery. No requests, no page.

import { count, plural } from "./format.js";

/** Operator → its part in a delivery. A task's id may have any prefix. */
const PARTS = {
  PlanJobsOperator: "plan",
  SegmentExportSensor: "export",
  LatestSegmentExportOperator: "snapshot",
  AdHocActivationOperator: "activate",
  DeliveryOperator: "watch",
  FlowRunSensor: "watch",
  DeliveryReportOperator: "report",
};
/** XComs that are read, by part. */
export const KEYS = {
  plan: ["return_value", "names"],
  snapshot: ["return_value"],
  activate: ["submission", "progress", "destination_link"],
  watch: ["progress", "return_value", "destination_link"],
  report: ["return_value"],
};
const FAILED = new Set(["failed", "upstream_failed"]);
const ENDED = new Set(["success", "failed", "upstream_failed", "skipped", "removed"]);
const ACTIVE = new Set([
  "scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule", "awaiting_input",
]);

/** Status of an audience's delivery → how it is shown; the order is that of the bar. */
export const STATUSES = {
  success: { label: "Delivered", tone: "good", icon: "check" },
  partial_success: { label: "Partly delivered", tone: "warn", icon: "warning" },
  in_progress: { label: "Running in AEP", tone: "busy", icon: "running" },
  submitted: { label: "Submitted", tone: "busy", icon: "running" },
  planned: { label: "Not sent yet", tone: "idle", icon: "clock" },
  checked: { label: "Checked, not sent", tone: "idle", icon: "check" },
  unknown: { label: "Unknown", tone: "warn", icon: "question" },
  not_sent: { label: "Not sent", tone: "bad", icon: "cross" },
  failed: { label: "Failed", tone: "bad", icon: "cross" },
};
export const PROBLEMS = new Set(["failed", "not_sent", "unknown", "partial_success"]);

/** The part that a task has in a delivery, null for any other task. */
export function partOf(task) {
  const operator = task.operator_name ?? task.operator ?? "";
  if (PARTS[operator]) return PARTS[operator];
  return /(^|\.)approve$/.test(task.task_id) ? "approve" : null;
}

const prefixOf = (taskId) => taskId.slice(0, taskId.lastIndexOf(".") + 1);
const keyOf = (flow, audience) => `${flow}\n${audience}`;

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
    if (!groups.has(prefix)) groups.set(prefix, { prefix, tasks: [] });
    groups.get(prefix).tasks.push({ ...task, part });
  }
  const found = [...groups.values()].filter((group) => group.tasks.some((task) => task.part !== "approve"));
  return found.map((group) => delivery(run, group, values, errors, found.length === 1));
}

function delivery(run, { prefix, tasks }, values, errors, alone) {
  const of = (part) => tasks.filter((task) => task.part === part).sort((a, b) => a.map_index - b.map_index);
  const value = (task, key) => (task ? values.get(xcomKey(task, key)) ?? null : null);
  const [plan] = of("plan");
  const [report] = of("report");
  const planned = asList(value(plan, "return_value"));
  const names = asObject(value(plan, "names"));
  const over = run.state === "success" || run.state === "failed";
  const dryRun = plan?.state === "success" && planned.length === 0 && value(plan, "return_value") !== null;

  const pairs = new Map();
  const touch = (flow, audience, news = {}) => {
    if (typeof flow !== "string" || typeof audience !== "string") return;
    const key = keyOf(flow, audience);
    pairs.set(key, Object.assign(pairs.get(key) ?? { key, flow, audience, status: "planned", job: null }, news));
  };

  // What was asked for: the plan, or before there is one, what the run was started with.
  for (const job of planned) {
    for (const [flow, audience] of pairsOf(job.activation_info)) touch(flow, audience, { job: job.job });
  }
  if (!pairs.size && alone) for (const [flow, audience] of pairsOf(run.conf?.activation_info)) touch(flow, audience);

  const jobs = of("activate").filter((task) => !dryRun && (task.map_index >= 0 || plan === undefined || ACTIVE.has(task.state)));
  for (const task of jobs) {
    const said = asObject(value(task, "submission"));
    for (const [flow, audience, runId, adopted] of asList(said.orders)) {
      touch(flow, audience, { status: "submitted", runId, adopted: Boolean(adopted), job: said.job ?? null });
    }
    const ended = ENDED.has(task.state);
    for (const [flow, audience] of asList(said.missing)) {
      touch(flow, audience, { status: ended || said.missing_is === "unknown" ? said.missing_is ?? "unknown" : "planned" });
    }
    take(touch, value(task, "progress")?.results);
  }
  for (const task of of("watch")) {
    take(touch, value(task, "progress")?.results ?? value(task, "return_value")?.results);
  }
  const told = ENDED.has(report?.state) ? asObject(value(report, "return_value")) : {};
  take(touch, told.results);

  for (const pair of pairs.values()) {
    if (dryRun) pair.status = "checked";
    else if (over && pair.status === "planned") pair.status = "not_sent";
    else if (over && (pair.status === "submitted" || pair.status === "in_progress")) {
      pair.error ||= "Submitted, but not watched to its end: look in AEP.";
      pair.status = "unknown";
    }
    pair.flowName = names[pair.flow] || "";
    pair.audienceName = names[pair.audience] || "";
  }
  const all = [...pairs.values()];
  const failures = tasks
    .filter((task) => task.state === "failed")
    .map((task) => ({ task, part: task.part, text: errors.get(xcomKey(task, "error")) ?? "" }));
  const result = {
    prefix,
    title: prefix.replace(/\.$/, ""),
    pairs: all,
    counts: tally(all),
    records: sums(all),
    jobs: jobs.map((task, index) => jobOf(task, index, planned, all, names)),
    stages: stagesOf(of, dryRun, over, value(report, "return_value") !== null),
    failures,
    flows: [...new Set(all.map((pair) => pair.flow))],
    snapshot: value(of("snapshot")[0], "return_value"),
    link: tasks.map((task) => value(task, "destination_link")).find((url) => typeof url === "string") ?? null,
    dryRun,
    over,
    retrying: tasks.some((task) => task.state === "up_for_retry"),
    state: stateOf(tasks, run),
  };
  result.verdict = verdictOf(result, run, of);
  return result;
}

/** The state of one group of tasks in a run that may have several. */
function stateOf(tasks, run) {
  if (tasks.some((task) => FAILED.has(task.state)) && tasks.every((task) => ENDED.has(task.state))) return "failed";
  return tasks.every((task) => ENDED.has(task.state)) ? "success" : run.state;
}

/** Take over results as tasks report them. */
function take(touch, results) {
  for (const item of asList(results)) {
    touch(item.flow_id, item.audience_id, {
      status: STATUSES[item.status] ? item.status : "unknown",
      runId: item.run_id ?? null,
      exported: number(item.records_exported),
      skipped: number(item.records_skipped),
      failed: number(item.records_failed),
      startedAt: item.started_at ?? null,
      endedAt: item.completed_at ?? null,
      code: item.error_code || "",
      error: item.error || "",
      adopted: Boolean(item.adopted),
    });
  }
}

function jobOf(task, index, planned, pairs, names) {
  const plan = planned[index] ?? {};
  const numberOf = plan.job ?? (task.map_index >= 0 ? task.map_index + 1 : null);
  const own = pairs.filter((pair) => pair.job === null || pair.job === numberOf);
  return {
    task, number: numberOf, of: plan.of ?? planned.length, pairs: own.length, counts: tally(own),
    flows: [...new Set(own.map((pair) => names[pair.flow] || pair.flow))],
    state: task.state, tries: task.try_number, start: task.start_date, end: ENDED.has(task.state) ? task.end_date : null,
  };
}

function stagesOf(of, dryRun, over, reported) {
  const stage = (id, label, parts, hint) => {
    const tasks = parts.flatMap(of);
    if (!tasks.length) return null;
    let state = stageState(tasks, dryRun && id !== "plan", over);
    // The report is red whenever the delivery is; its own work is done all the same.
    if (id === "report" && state === "failed" && reported) state = "done";
    const starts = tasks.map((task) => task.start_date).filter(Boolean).sort();
    const ends = tasks.map((task) => task.end_date).filter(Boolean).sort();
    return { id, label, hint, state, start: starts[0] ?? null, end: ["done", "failed"].includes(state) ? ends.at(-1) ?? null : null };
  };
  return [
    stage("plan", "Checked", ["plan"], "Input and destinations are checked, nothing is sent"),
    stage("approve", "Approved", ["approve"], "A person approves the plan"),
    stage("export", "Export is free", ["export", "snapshot"], "AEP must not be exporting; the newest snapshot is delivered"),
    stage("submit", "Submitted", ["activate"], "The jobs are sent to AEP, exactly once"),
    stage("deliver", "Delivered", ["watch"], "AEP writes the files"),
    stage("report", "Reported", ["report"], "The result is kept"),
  ].filter(Boolean);
}

function stageState(tasks, skipped, over) {
  const states = tasks.map((task) => task.state);
  if (states.includes("failed")) return "failed";
  if (skipped || states.every((state) => state === "skipped")) return "skipped";
  if (states.includes("upstream_failed")) return "unreached";
  if (states.some((state) => ACTIVE.has(state)) && states.some((state) => ["running", "deferred", "queued", "up_for_retry", "awaiting_input", "restarting", "up_for_reschedule"].includes(state))) return "active";
  if (states.every((state) => state === "success" || state === "skipped")) return "done";
  if (states.some((state) => state === "success" || ACTIVE.has(state))) return "active";
  return over ? "unreached" : "pending";
}

/** What happened, in a line that is understood at once; then what a person may do. */
function verdictOf(result, run, of) {
  const { counts, pairs, failures, stages, over, dryRun } = result;
  const total = pairs.length;
  const asked = total ? `${plural(total, "audience")} to ${plural(result.flows.length, "destination")}` : "";
  const delivered = counts.success + counts.partial_success;
  const partlyToo = counts.partial_success ? `, ${count(counts.partial_success)} only partly` : "";
  const records = `${plural(result.records.exported ?? 0, "record")} exported`;
  const failedPlan = failures.find((item) => item.part === "plan");
  if (dryRun && !failures.length) {
    return { tone: "idle", icon: "check", title: "Dry run: everything is fine, nothing was sent", text: asked && `Would deliver ${asked}.` };
  }
  if (failedPlan) {
    return {
      tone: "bad", icon: "cross", title: "Nothing was sent", text: asked && `Asked for: ${asked}.`,
      why: lines(failedPlan.text),
      advice: "What a run was asked for cannot be changed. If the input is at fault, correct it and start a new run.",
    };
  }
  if (!over && result.state !== "failed" && result.state !== "success") return progressOf(result, run, of, asked);
  if (of("plan")[0]?.state === "skipped") {
    return { tone: "idle", icon: "skip", title: "Skipped: there was nothing to deliver", text: "A task before this delivery has skipped it." };
  }
  const refused = of("approve").find((task) => task.state === "failed" || task.state === "skipped");
  if (result.state === "success" && !counts.failed && !counts.not_sent && !counts.unknown) {
    const empty = pairs.filter((pair) => pair.exported === 0).length;
    if (!total) return { tone: "idle", icon: "check", title: "Finished", text: "No delivery was reported." };
    const partly = counts.partial_success;
    return {
      tone: partly || empty ? "warn" : "good", icon: partly || empty ? "warning" : "check",
      title: `Delivered: ${asked}`,
      text: [records, partly && `${plural(partly, "audience")} only partly`, empty && `${plural(empty, "audience")} with no record at all`].filter(Boolean).join(" · "),
      advice: empty ? "An empty file was delivered: is the audience empty in the latest snapshot?" : "",
    };
  }
  if (refused && !delivered) {
    return { tone: refused.state === "failed" ? "bad" : "idle", icon: "skip", title: "Not approved: nothing was sent", text: asked && `Asked for: ${asked}.` };
  }
  if (result.state === "success" && counts.not_sent === total && total) {
    return { tone: "idle", icon: "skip", title: "Skipped: nothing was sent", text: `Asked for: ${asked}.` };
  }
  return {
    tone: "bad", icon: "cross",
    title: delivered ? `Not complete: ${count(counts.success)} of ${plural(total, "audience")} delivered${partlyToo}` : total ? `None of ${plural(total, "audience")} was delivered` : "Failed",
    text: [asked && `Asked for: ${asked}`, delivered && records].filter(Boolean).join(" · "),
    why: whyOf(result),
    advice: adviceOf(counts),
  };
}

function progressOf(result, run, of, asked) {
  const { counts, pairs, stages } = result;
  const total = pairs.length;
  const active = stages.find((stage) => stage.state === "active") ?? stages.find((stage) => stage.state === "pending");
  const ended = counts.success + counts.partial_success + counts.failed;
  const approve = of("approve").find((task) => ACTIVE.has(task.state));
  const titles = {
    plan: "Checking the input with AEP",
    approve: "Waiting for approval",
    export: of("export").some((task) => ACTIVE.has(task.state)) ? "Waiting until AEP has finished its export" : "Looking for the newest snapshot",
    submit: "Sending the jobs to AEP",
    deliver: `AEP is delivering: ${count(ended)} of ${plural(total, "audience")} done`,
    report: "Nearly done: the result is being written",
  };
  let title = run.state === "queued" && !active?.start ? "Waiting to start" : titles[active?.id] ?? "Running";
  const bad = result.failures.length > 0;
  if (bad) title = `A part has failed, the rest goes on: ${count(ended)} of ${plural(total, "audience")} done`;
  return {
    tone: bad ? "bad" : approve ? "warn" : "busy", icon: bad ? "warning" : approve ? "person" : "running", title,
    text: [asked && `Asked for: ${asked}`, result.retrying && "a task met a fault that may heal and will be tried again"].filter(Boolean).join(" · "),
    why: bad || counts.failed ? whyOf(result) : [],
    approve: approve ?? null,
  };
}

/** The reasons, each once, with how many audiences it concerns; then what tasks said that concerns no single one. */
function whyOf({ pairs, failures }) {
  const reasons = new Map();
  for (const pair of pairs) {
    if (!PROBLEMS.has(pair.status)) continue;
    const said = [pair.code && `[${pair.code}]`, pair.error].filter(Boolean).join(" ");
    const text = `${STATUSES[pair.status].label}${said ? `: ${said}` : ""}`;
    reasons.set(text, [...(reasons.get(text) ?? []), `${pair.audienceName || pair.audience} → ${pair.flowName || pair.flow}`]);
  }
  const found = [...reasons].sort((a, b) => b[1].length - a[1].length)
    .map(([text, who]) => `${who.length > 2 ? plural(who.length, "audience") : who.join(", ")}: ${text}`);
  const tasks = failures.filter((item) => item.text && ["export", "snapshot", "activate", "approve"].includes(item.part));
  const seen = new Set();
  for (const { task, text } of tasks) {
    const said = lines(text)[0];
    if (seen.has(said)) continue;
    seen.add(said);
    found.unshift(`${task.map_index >= 0 ? `Job ${task.map_index + 1}` : task.task_id}: ${said}`);
  }
  if (!found.length && failures.length) found.push(`${failures[0].task.task_id} failed; its log says why.`);
  return found;
}

function adviceOf(counts) {
  const advice = [];
  if (counts.failed || counts.not_sent) {
    advice.push("Clear only the failed tasks of this run: it sends again exactly what is missing, and nothing twice.");
  }
  if (counts.unknown) advice.push("Look in AEP what became of the unknown ones before you send them again.");
  if (counts.partial_success) advice.push("What was delivered partly is not sent again by this run: start a new one for it.");
  return advice.join(" ");
}

export function tally(pairs) {
  const counts = Object.fromEntries(Object.keys(STATUSES).map((status) => [status, 0]));
  for (const pair of pairs) counts[pair.status] += 1;
  return counts;
}

/** Sums of the counts that are known; null where AEP tells none. */
export function sums(pairs) {
  const sum = (key) => {
    const known = pairs.map((pair) => pair[key]).filter((value) => typeof value === "number");
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  };
  return { exported: sum("exported"), skipped: sum("skipped"), failed: sum("failed") };
}

/** Lines of an error's text without list marks. */
function lines(text) {
  const found = text.split("\n").map((line) => line.replace(/^\s*[-–•]\s*/, "").trim()).filter(Boolean);
  return found.length > 1 && found[0].endsWith(":") ? found.slice(1) : found;
}

function pairsOf(info) {
  if (info === null || typeof info !== "object" || Array.isArray(info)) return [];
  return Object.entries(info).flatMap(([flow, audiences]) => asList(audiences).map((audience) => [flow, audience]));
}

const asList = (value) => (Array.isArray(value) ? value : []);
const asObject = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
// AEP answers -1 where it does not know.
const number = (value) => (typeof value === "number" && value >= 0 ? value : null);
