// Reads the results of runs: one request for each, so lazily, and finished runs only once.

import { ApiError, ask, list, runPath, xcom } from "./api.js";
import { condense, isDry, isFinished } from "./history.js";
import { flowRunsOf, KEYS, namesOf, TASK_IDS } from "./xcom.js";

const STORE = "aep-report-4";
const NAMES_STORE = "aep-names-2";
const DEFAULT = { report: [TASK_IDS.REPORT], plan: [TASK_IDS.PLAN] };

const memory = new Map();
const tasksOf = new Map();
const reading = new Map();
const stages = new Map();
/** Flow runs of AEP that the runs which were read have started, or taken over. */
const flowRuns = new Set();
/** Flow id → name, learnt from the plans. */
export const names = new Map(load(NAMES_STORE) ?? []);
const askedNames = new Set();
let catalogue = null;

function load(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null; // storage is off
  }
}

function save(key, value) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full, or off: it is asked again.
  }
}

/** A run that is cleared and ends again has another end, so what was kept of it is not used any more. */
const keyOf = (run) => `${STORE}|${run.dag_id}|${run.dag_run_id}|${run.end_date}`;

/** What is known of a run's result without asking: undefined if nothing, null if it has none. */
export function kept(run) {
  const key = keyOf(run);
  if (!memory.has(key) && isFinished(run)) {
    const stored = load(key);
    if (stored !== null) memory.set(key, stored.result);
    for (const id of stored?.flowRuns ?? []) flowRuns.add(id);
  }
  return memory.get(key);
}

/** Whether a run waited for a person when it was last read. */
export const waits = (run) => stages.get(keyOf(run))?.waits === true;

/** Whether a run had told nothing yet, and may have sent something, when it was last read. */
export const sends = (run) => stages.get(keyOf(run))?.sends === true;

/** Whether all that a run has started is known, as of when it was last read. */
export const isKnown = (run) =>
  isFinished(run) ? kept(run) !== undefined : Boolean(kept(run)) || stages.get(keyOf(run))?.sends === false;

/** Whether a flow run of AEP is one of a run that was read. */
export const isOurs = (flowRunId) => flowRuns.has(flowRunId);

/** Read a run's result, or how far it is; finished runs are asked for once. */
export function read(run, { urgent = false } = {}) {
  const key = keyOf(run);
  if (reading.has(key)) return reading.get(key);
  const promise = fetchResult(run, urgent).finally(() => reading.delete(key));
  reading.set(key, promise);
  return promise;
}

async function fetchResult(run, urgent) {
  const key = keyOf(run);
  const finished = isFinished(run);
  if (isDry(run)) return remember(run, null, []); // it sends nothing, so it reports nothing
  const values = finished ? await reportsOf(run, urgent) : await progressOf(run);
  if (!finished && !values.length) stages.set(key, await stageOf(run));
  else stages.delete(key);
  const result = values.length ? condense(values) : null;
  if (result)
    await learnNames(
      run,
      result.flows.map(({ flow }) => flow),
      (tasksOf.get(run.dag_id) ?? DEFAULT).plan,
      urgent,
    );
  return remember(run, result, values.flatMap(flowRunsOf));
}

/** What the tasks `report` of a finished run returned. */
export async function reportsOf(run, urgent = false) {
  const ids = tasksOf.get(run.dag_id) ?? DEFAULT;
  const values = await valuesOf(run, ids.report, KEYS.RETURN_VALUE, urgent);
  if (values.length || ids !== DEFAULT) return values;
  const others = await tasksByOperator(run.dag_id);
  return others === DEFAULT ? [] : valuesOf(run, others.report, KEYS.RETURN_VALUE, urgent);
}

function remember(run, result, ids) {
  memory.set(keyOf(run), result);
  for (const id of ids) flowRuns.add(id);
  if (isFinished(run)) save(keyOf(run), { result, flowRuns: [...new Set(ids)] });
  return result;
}

/** What a run that goes on has written so far; the list says first whether there is anything. */
async function progressOf(run) {
  const path = `${runPath(run.dag_id, run.dag_run_id)}/taskInstances/~/xcomEntries`;
  const entries = await list(path, "xcom_entries", { params: { xcom_key: KEYS.PROGRESS }, most: 100 });
  const readOne = ({ task_id, map_index }) =>
    xcom(run.dag_id, run.dag_run_id, task_id, KEYS.PROGRESS, { mapIndex: map_index });
  const found = await Promise.all(entries.filter((entry) => entry.key === KEYS.PROGRESS).map(readOne));
  return found.filter((value) => value !== null);
}

/** Whether a run that has told nothing yet waits for a person, and whether it may have sent something. */
async function stageOf(run) {
  const path = `${runPath(run.dag_id, run.dag_run_id)}/taskInstances`;
  const { task_instances: tasks, total_entries: total } = await ask(path, { params: { limit: 100 } });
  const of = (name) => tasks.filter((task) => task.operator_name === name);
  return {
    waits: of("ApproveDeliveryOperator").some((task) => task.state === "awaiting_input"),
    sends: total > tasks.length || of("AdHocActivationOperator").some((task) => task.start_date),
  };
}

async function valuesOf(run, taskIds, key, urgent) {
  const readOne = (taskId) => xcom(run.dag_id, run.dag_run_id, taskId, key, { urgent });
  const found = await Promise.all(taskIds.map(readOne));
  return found.filter((value) => value !== null);
}

/** In a user's own DAG, task ids may have a prefix: tasks are recognized by their operators. */
async function tasksByOperator(dagId) {
  if (!tasksOf.has(dagId)) {
    let found = DEFAULT;
    try {
      const { tasks } = await ask(`dags/${encodeURIComponent(dagId)}/tasks`);
      const ids = (name) => tasks.filter((task) => task.operator_name === name).map((task) => task.task_id);
      const others = { report: ids("DeliveryReportOperator"), plan: ids("PlanJobsOperator") };
      if (others.report.some((id) => id !== TASK_IDS.REPORT)) found = others;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    tasksOf.set(dagId, found);
  }
  return tasksOf.get(dagId);
}

/** Learn names that no plan has told from the newest catalogue, which is read if they are needed; whether there were any. */
export async function learnFromCatalogue(deliveries) {
  const ids = deliveries.flatMap(({ audiences, result }) => [result.flows[0].flow, ...audiences]);
  const unknown = [...new Set(ids)].filter((id) => !names.has(id));
  if (!unknown.length) return false;
  catalogue ??= readCatalogue();
  const listed = await catalogue;
  const learnt = unknown.filter((id) => listed.has(id));
  for (const id of learnt) names.set(id, listed.get(id));
  if (learnt.length) save(NAMES_STORE, [...names]);
  return learnt.length > 0;
}

async function readCatalogue() {
  try {
    const { newest } = await import("./catalogue.js"); // it is long, and seldom needed
    const flows = (await newest())?.flows ?? [];
    return new Map(flows.flatMap((flow) => [flow, ...flow.audiences]).map(({ id, name }) => [id, name]));
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    return new Map(); // ids do
  }
}

async function learnNames(run, flows, planIds, urgent) {
  const unknown = flows.filter((flow) => !names.has(flow) && !askedNames.has(flow));
  if (!unknown.length) return;
  for (const flow of unknown) askedNames.add(flow);
  for (const value of await valuesOf(run, planIds, KEYS.BRIEFING, urgent)) {
    const learnt = namesOf(value);
    for (const flow of flows) if (learnt.has(flow)) names.set(flow, learnt.get(flow));
  }
  save(NAMES_STORE, [...names]);
}
