// What can be delivered, as the newest run of `aep_catalog` has found it. No page.

import { ask, runPath, xcom } from "./api.js";
import { follow, mayTrigger, newRunId, start } from "./start.js";
import { asList, KEYS, text } from "./xcom.js";

export const CATALOGUE_DAG = "aep_catalog";
const TASK = "list_destinations";
const RUNS = 10;

/** A catalogue that this page cannot read. */
class UnreadableError extends Error {}

const NO_RIGHT =
  "You may not read the runs and results (XComs) of the DAG aep_catalog. Ask whoever manages roles in your Airflow.";
const NO_DAG = "There is no DAG aep_catalog in this Airflow.";

/**
 * Read the newest successful catalogue, of a place (connection, sandbox) if one is given.
 * @returns {Promise<{catalogue: object | null, unreadable: string, whyNoRefresh: string}>} with what stands in the way
 */
export async function catalogueFor(place = null) {
  try {
    const [catalogue, may] = await Promise.all([newest(place), mayTrigger(CATALOGUE_DAG)]);
    return { catalogue, unreadable: "", whyNoRefresh: may ? "" : "You have no right to start the DAG aep_catalog." };
  } catch (error) {
    const hidden = { 403: NO_RIGHT, 404: NO_DAG }[error.status];
    if (hidden) return { catalogue: null, unreadable: hidden, whyNoRefresh: hidden };
    if (error instanceof UnreadableError) return { catalogue: null, unreadable: error.message, whyNoRefresh: "" };
    throw error;
  }
}

async function newest(place) {
  const params = { state: "success", order_by: "-end_date", limit: RUNS };
  const { dag_runs: runs } = await ask(`dags/${CATALOGUE_DAG}/dagRuns`, { params });
  const fitting = runs.filter((run) => !place || isSamePlace(placeOf(run.conf), place));
  for (const run of fitting) {
    const flows = await flowsOf(run);
    if (flows) return { runId: run.dag_run_id, at: run.end_date, place: placeOf(run.conf), flows };
  }
  return null;
}

/** Where a catalogue or a delivery is of, as far as its conf says it. */
export const placeOf = (conf) => ({
  aep_conn_id: text(conf?.aep_conn_id) || null,
  sandbox_name: text(conf?.sandbox_name) || null,
});

const DEFAULT_CONNECTION = "aep_default";
export const isSamePlace = (one, other) =>
  (one.aep_conn_id ?? DEFAULT_CONNECTION) === (other.aep_conn_id ?? DEFAULT_CONNECTION) &&
  (one.sandbox_name ?? "") === (other.sandbox_name ?? "");

/** A large catalogue is in several XComs, each of a size that any database takes. */
async function flowsOf(run) {
  const value = await xcom(CATALOGUE_DAG, run.dag_run_id, TASK, KEYS.RETURN_VALUE);
  if (value === null) return null;
  if (typeof value !== "object") {
    throw new UnreadableError("It is kept outside of Airflow's database (XCom backend), which this page cannot read.");
  }
  const number = Number.isInteger(value.parts) ? value.parts : 0;
  const read = (_, at) => xcom(CATALOGUE_DAG, run.dag_run_id, TASK, `flows_${at + 1}`);
  const parts = await Promise.all(Array.from({ length: number }, read));
  return merged([value.flows, ...parts].flatMap(asList).map(flowOf).filter(Boolean));
}

/** A flow with very many audiences is in two parts. */
function merged(flows) {
  const known = new Map();
  for (const flow of flows) {
    if (known.has(flow.id)) known.get(flow.id).audiences.push(...flow.audiences);
    else known.set(flow.id, flow);
  }
  return [...known.values()];
}

function flowOf(value) {
  const id = text(value?.flow_id);
  if (!id) return null;
  const name = text(value.name) || id;
  const audiences = asList(value.audiences).map((item) => audienceOf(item, `${name} ${id}`));
  return {
    id,
    name,
    state: text(value.state),
    lastRun: text(value.last_run),
    audiences: audiences.filter((audience) => audience.id),
  };
}

function audienceOf(value, flow) {
  const id = text(value?.audience_id);
  const name = text(value?.name) || id;
  return {
    id,
    name,
    schedule: text(value?.schedule),
    ready: value?.ready === true,
    reason: text(value?.reason).replace(/^no, it /, ""),
    searched: `${flow} ${name} ${id}`.toLowerCase(),
  };
}

/** The audiences of each flow that have every word of a search, in their own name or in the flow's. */
export function found(flows, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return flows.map((flow) => flow.audiences);
  const fits = ({ searched }) => words.every((word) => searched.includes(word));
  return flows.map((flow) => flow.audiences.filter(fits));
}

/**
 * Make a new catalogue.
 * @param {() => void} told it was started
 * @returns {Promise<{runId: string, fault: string}>} `fault` in the words of its task, "" if it went well
 */
export async function renew(place, told) {
  const runId = newRunId("refresh");
  await start(CATALOGUE_DAG, runId, Object.fromEntries(Object.entries(place).filter(([, value]) => value)));
  told();
  const run = await follow(CATALOGUE_DAG, runId, () => {});
  return { runId, fault: run.state === "success" ? "" : await whyFailed(runId) };
}

/** Why the run of a catalogue failed, in its task's words. */
async function whyFailed(runId) {
  const reason = text(await xcom(CATALOGUE_DAG, runId, TASK, KEYS.REASON));
  if (reason) return reason;
  const { task_instances: tasks } = await ask(`${runPath(CATALOGUE_DAG, runId)}/taskInstances`);
  return `Its task ${TASK} is ${tasks[0]?.state ?? "gone"}; its log says why.`;
}
