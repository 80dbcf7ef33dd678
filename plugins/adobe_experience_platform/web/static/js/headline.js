// What stands above a delivery. A run that has a report is told in the report's words: verdict and advice are made
// there, once. Any other run is told by its stages: what it does, or where it ended. No requests, no page.

import { recordsText } from "./figures.js";
import { count, plural } from "./format.js";
import { ACTIVE } from "./stages.js";
import { PROBLEMS, STATUSES } from "./statuses.js";
import { linesOf } from "./task_log.js";
import { titleOf } from "./xcom.js";

/** The verdict's state → how it is shown; any other is as red as its run. */
const VERDICTS = new Map([
  ["delivered", { tone: "good", icon: "check" }],
  ["lossy", { tone: "warn", icon: "warning" }],
  ["empty", { tone: "warn", icon: "warning" }],
  ["partly", { tone: "warn", icon: "warning" }],
  ["nothing", { tone: "idle", icon: "check" }],
  ["not_approved", { tone: "bad", icon: "person" }],
  ["late", { tone: "bad", icon: "clock" }],
]);
const RED = { tone: "bad", icon: "cross" };

/** "3 deliveries". */
export const deliveriesText = (number) => plural(number, "delivery", "deliveries");

/**
 * Return the lines above a delivery.
 * @param {object} delivery what `deliveries` has read
 * @param {object} run Airflow's DAG run
 * @param {(part: string) => object[]} tasksOf the tasks of a part
 * @returns {{tone: string, icon: string, title: string, text?: string, why?: string[], advice?: string[],
 *   approve?: object}}
 */
export function headlineOf(delivery, run, tasksOf) {
  if (delivery.verdict) return reported(delivery);
  const [plan] = tasksOf("plan");
  const asked = askedFor(delivery);
  if (delivery.skippedBy && !delivery.failures.length) {
    return {
      tone: "idle",
      icon: "skip",
      title: "Skipped: this run delivers nothing",
      text: delivery.skippedBy,
    };
  }
  if (delivery.dryRun && !delivery.failures.length) {
    const text = asked && `Would deliver ${asked}.`;
    return { tone: "idle", icon: "check", title: "Dry run: everything is fine, nothing was sent", text };
  }
  if (!delivery.over && !delivery.ended) return inProgress(delivery, run, tasksOf, asked);
  if (plan?.state === "skipped") {
    return {
      tone: "idle",
      icon: "skip",
      title: "Skipped",
      text: "A task before this delivery has skipped it.",
    };
  }
  return unreported(delivery, tasksOf, asked);
}

function askedFor({ pairs, flows }) {
  return pairs.length ? `${deliveriesText(pairs.length)} to ${plural(flows.length, "destination")}` : "";
}

function reported(delivery) {
  const { verdict } = delivery;
  const look = VERDICTS.get(verdict.state) ?? RED;
  const isRed = look.tone === "bad";
  const delivered = delivery.counts.success + delivery.counts.partial_success;
  return {
    ...look,
    title: titleOf(verdict),
    text: isRed && delivered ? `${deliveriesText(delivered)} arrived: ${recordsText(delivery.pairs)} exported` : "",
    // Who refused stands in the verdict.
    why: isRed && verdict.state !== "not_approved" ? whyOf(delivery) : [],
    advice: verdict.advice,
  };
}

function unreported(delivery, tasksOf, asked) {
  const reports = tasksOf("report");
  const hidden = reports.some((task) => task.state === "success" || task.state === "failed");
  const failed = delivery.failures.length > 0 || delivery.state === "failed";
  return {
    ...(failed ? RED : { tone: "idle", icon: "question" }),
    title: hidden ? "The report of this run cannot be read" : "This run ended without a report",
    text: [asked && `Asked for: ${asked}`, hidden && "Its task report has it in its log"].filter(Boolean).join(" · "),
    why: whyOf(delivery),
  };
}

function inProgress(delivery, run, tasksOf, asked) {
  const { counts, stages, failures } = delivery;
  const step = stages.find((stage) => stage.state === "active") ?? stages.find((stage) => stage.state === "pending");
  const ended = counts.success + counts.partial_success + counts.failed;
  const done = `${count(ended)} of ${deliveriesText(delivery.pairs.length)} done`;
  const approve = tasksOf("approve").find((task) => ACTIVE.has(task.state)) ?? null;
  const exporting = tasksOf("export").some((task) => ACTIVE.has(task.state));
  const titles = new Map([
    ["plan", "Checking the input with AEP"],
    ["approve", "Waiting for approval"],
    ["export", exporting ? "Waiting until AEP has finished its export" : "Looking for the newest snapshot"],
    ["submit", "Sending the jobs to AEP"],
    ["deliver", `AEP is delivering: ${done}`],
    ["report", "Nearly done: the result is being written"],
  ]);
  const isBad = failures.length > 0;
  let title = titles.get(step?.id) ?? "Running";
  if (run.state === "queued" && !step?.start) title = "Waiting to start";
  if (isBad) title = `A part has failed, the rest goes on: ${done}`;
  let look = approve ? { tone: "warn", icon: "person" } : { tone: "busy", icon: "running" };
  if (isBad) look = { tone: "bad", icon: "warning" };
  const retrying = delivery.retrying && "a task met a fault that may heal and will be tried again";
  return {
    ...look,
    title,
    text: [asked && `Asked for: ${asked}`, retrying].filter(Boolean).join(" · "),
    why: isBad || counts.failed ? whyOf(delivery) : [],
    approve,
  };
}

/** The reasons, each once, with how many pairs it concerns; before them what tasks said that concerns no single one. */
function whyOf({ pairs, failures }) {
  const plan = failures.find((item) => item.part === "plan" && item.text);
  if (plan) return linesOf(plan.text);
  const found = [...taskReasons(failures), ...pairReasons(pairs)];
  if (!found.length && failures.length) found.push(`${failures[0].task.task_id} failed; its log says why.`);
  return found;
}

function pairReasons(pairs) {
  const reasons = new Map();
  for (const pair of pairs.filter(({ status }) => PROBLEMS.has(status))) {
    const said = [pair.code && `[${pair.code}]`, pair.error].filter(Boolean).join(" ");
    const text = [STATUSES[pair.status].label, said].filter(Boolean).join(": ");
    const name = `${pair.audienceName || pair.audience} → ${pair.flowName || pair.flow}`;
    reasons.set(text, [...(reasons.get(text) ?? []), name]);
  }
  const byNumber = [...reasons].sort((a, b) => b[1].length - a[1].length);
  return byNumber.map(([text, who]) => `${who.length > 2 ? deliveriesText(who.length) : who.join(", ")}: ${text}`);
}

function taskReasons(failures) {
  const found = new Map();
  for (const { task, part, text } of failures) {
    const [said] = linesOf(text);
    if (!said || part === "watch" || part === "report" || found.has(said)) continue;
    found.set(said, `${task.map_index >= 0 ? `Job ${task.map_index + 1}` : task.task_id}: ${said}`);
  }
  return [...found.values()];
}
