// Reads the results of runs: one request for each, so lazily, and finished runs only once.

import { ApiError, ask, list, runPath, xcom } from "./api.js";
import { condense, isDry, isFinished } from "./history.js";

const STORE = "aep-report-1";
const DEFAULT = { report: ["report"], plan: ["plan_jobs"] };

const memory = new Map();
const tasksOf = new Map();
const reading = new Map();
const waiting = new Map();
/** Flow id → name, learnt from the plans. */
export const names = {};
const NAMES = "aep-names-1";
try { Object.assign(names, JSON.parse(sessionStorage.getItem(NAMES) ?? "{}")); } catch { /* storage is off */ }
const askedNames = new Set();

/** A run that is cleared and ends again has another end, so what was kept of it is not used any more. */
const keyOf = (run) => `${STORE}|${run.dag_id}|${run.dag_run_id}|${run.end_date}`;

/** What is known of a run's result without asking: undefined if nothing, null if it has none. */
export function kept(run) {
  const key = keyOf(run);
  if (!memory.has(key) && isFinished(run)) {
    try {
      const stored = sessionStorage.getItem(key);
      if (stored !== null) memory.set(key, JSON.parse(stored));
    } catch { /* storage is off */ }
  }
  return memory.get(key);
}

/** Whether a run waited for a person when it was last read. */
export const waits = (run) => waiting.get(keyOf(run)) === true;

/** Read a run's result, or how far it is; finished runs are asked for once. */
export function read(run, { urgent = false } = {}) {
  const key = keyOf(run);
  if (reading.has(key)) return reading.get(key);
  const promise = fetchResult(run, urgent).finally(() => reading.delete(key));
  reading.set(key, promise);
  return promise;
}

async function fetchResult(run, urgent) {
  const finished = isFinished(run);
  if (isDry(run)) return remember(run, null); // it sends nothing, so it reports nothing
  let ids = tasksOf.get(run.dag_id) ?? DEFAULT;
  let values = finished ? await valuesOf(run, ids.report, "return_value", urgent) : await progressOf(run);
  if (finished && !values.length && ids === DEFAULT) {
    ids = await tasksByOperator(run.dag_id);
    if (ids !== DEFAULT) values = await valuesOf(run, ids.report, "return_value", urgent);
  }
  // Before anything is sent, a person may have to agree.
  if (!finished && !values.length) waiting.set(keyOf(run), await isAsked(run)); else waiting.delete(keyOf(run));
  const result = values.length ? condense(values) : null;
  if (result) await learnNames(run, Object.keys(result.flows), ids.plan, urgent);
  return remember(run, result);
}

function remember(run, result) {
  memory.set(keyOf(run), result);
  if (isFinished(run)) {
    try { sessionStorage.setItem(keyOf(run), JSON.stringify(result)); } catch { /* full, or off: it is asked again */ }
  }
  return result;
}

/** What a run that goes on has written so far; the list says first whether there is anything. */
async function progressOf(run) {
  const entries = await list(`${runPath(run.dag_id, run.dag_run_id)}/taskInstances/~/xcomEntries`, "xcom_entries", { params: { xcom_key: "progress" }, most: 100 });
  const found = await Promise.all(entries.filter((entry) => entry.key === "progress").map((entry) => xcom(run.dag_id, run.dag_run_id, entry.task_id, "progress", { mapIndex: entry.map_index })));
  return found.filter((value) => value !== null);
}

async function isAsked(run) {
  const found = await ask(`${runPath(run.dag_id, run.dag_run_id)}/taskInstances`, { params: { state: "awaiting_input", limit: 1 } });
  return found.task_instances.some((task) => task.operator_name === "ApproveDeliveryOperator");
}

async function valuesOf(run, taskIds, key, urgent) {
  const found = await Promise.all(taskIds.map((taskId) => xcom(run.dag_id, run.dag_run_id, taskId, key, { urgent })));
  return found.filter((value) => value !== null);
}

/** Tasks may have a prefix in a DAG of somebody's own: their operators tell them. */
async function tasksByOperator(dagId) {
  if (!tasksOf.has(dagId)) {
    let found = DEFAULT;
    try {
      const { tasks } = await ask(`dags/${encodeURIComponent(dagId)}/tasks`);
      const ids = (name) => tasks.filter((task) => task.operator_name === name).map((task) => task.task_id);
      const others = { report: ids("DeliveryReportOperator"), plan: ids("PlanJobsOperator") };
      if (others.report.some((id) => id !== "report")) found = others;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    tasksOf.set(dagId, found);
  }
  return tasksOf.get(dagId);
}

async function learnNames(run, flows, planIds, urgent) {
  const unknown = flows.filter((flow) => !names[flow] && !askedNames.has(flow));
  if (!unknown.length) return;
  for (const flow of unknown) askedNames.add(flow);
  for (const value of await valuesOf(run, planIds, "names", urgent)) {
    for (const flow of flows) if (typeof value?.[flow] === "string" && value[flow]) names[flow] = value[flow];
  }
  try { sessionStorage.setItem(NAMES, JSON.stringify(names)); } catch { /* full, or off */ }
}
