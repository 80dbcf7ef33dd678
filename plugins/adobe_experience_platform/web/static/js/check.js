// The dry run behind *Check*: what its plan says. No page.

import { list, runPath, xcom } from "./api.js";
import { partOf } from "./delivery.js";
import { errorIn, linesOf, logOf, warningsIn } from "./task_log.js";
import { plural } from "./format.js";
import { asList, isObject, KEYS, namesOf, sandboxOf, text } from "./xcom.js";

const NO_LOG = "The log, which has the warnings if there are any, cannot be read.";

/**
 * Read what a finished dry run has found.
 * @returns {Promise<{state: string, faults: string[], warnings: string[] | null, names: [string, string][],
 *   outlook: string[][], sandbox: string}>} `warnings`: null if they cannot be read
 */
export async function resultOf(run) {
  const [dagId, runId] = [run.dag_id, run.dag_run_id];
  const tasks = await list(`${runPath(dagId, runId)}/taskInstances`, "task_instances");
  const plan = tasks.find((task) => partOf(task) === "plan");
  if (!plan)
    return { state: "failed", faults: ["The run has no plan."], warnings: [], names: [], outlook: [], sandbox: "" };
  const read = (key) => xcom(dagId, runId, plan.task_id, key);
  const [records, note, outlook, reason] = await Promise.all([
    logOf(dagId, runId, plan),
    read(KEYS.BRIEFING),
    read(KEYS.OUTLOOK),
    run.state === "success" ? null : read(KEYS.REASON),
  ]);
  const said = errorIn(records ?? []) || text(reason) || `The task ${plan.task_id} is ${plan.state}; its log says why.`;
  return {
    state: run.state,
    faults: run.state === "success" ? [] : linesOf(said),
    warnings: records && warningsIn(records),
    names: [...namesOf(note)],
    outlook: asList(isObject(outlook) ? outlook.pairs : null).map((row) => asList(row).map(text)),
    sandbox: sandboxOf(note),
  };
}

/** What a check has found, in words. @param {string} asked what was to be delivered */
export function verdictOf({ warnings, ...result }, asked) {
  const found = { ...result, warnings: warnings ?? [] };
  if (result.state !== "success") {
    return { ...found, title: "This cannot be delivered as it is", text: "Nothing was sent." };
  }
  const number = found.warnings.length;
  const title = number ? `Can be delivered, with ${plural(number, "warning")}` : "Everything is fine";
  const place = [asked, result.sandbox && `from sandbox ${result.sandbox}`].filter(Boolean).join(", ");
  const about = `${place}. Nothing was sent.${warnings ? "" : ` ${NO_LOG}`}`;
  return { ...found, title: warnings ? title : "Can be delivered", text: about };
}
