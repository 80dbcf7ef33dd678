// The dry run behind *Check*: what its plan says. No page.

import { list, runPath, xcom } from "./api.js";
import { partOf } from "./delivery.js";
import { errorIn, linesOf, logOf, warningsIn } from "./task_log.js";
import { KEYS, namesOf, text } from "./xcom.js";

/**
 * Read what a finished dry run has found.
 * @returns {Promise<{state: string, faults: string[], warnings: string[], names: [string, string][], sandbox: string}>}
 */
export async function resultOf(run) {
  const [dagId, runId] = [run.dag_id, run.dag_run_id];
  const tasks = await list(`${runPath(dagId, runId)}/taskInstances`, "task_instances");
  const plan = tasks.find((task) => partOf(task) === "plan");
  if (!plan) return { state: "failed", faults: ["The run has no plan."], warnings: [], names: [], sandbox: "" };
  const read = (key) => xcom(dagId, runId, plan.task_id, key);
  const [records, names, place, reason] = await Promise.all([
    logOf(dagId, runId, plan),
    read(KEYS.NAMES),
    read(KEYS.PLACE),
    run.state === "success" ? null : read(KEYS.REASON),
  ]);
  const said = errorIn(records) || text(reason) || `The task ${plan.task_id} is ${plan.state}; its log says why.`;
  return {
    state: run.state,
    faults: run.state === "success" ? [] : linesOf(said),
    warnings: warningsIn(records),
    names: [...namesOf(names)],
    sandbox: text(place?.sandbox_name),
  };
}
