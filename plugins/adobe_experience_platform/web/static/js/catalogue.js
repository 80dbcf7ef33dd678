// What can be delivered, as the newest run of `aep_catalog` has found it. No page.

import { ask, runPath, xcom } from "./api.js";
import { follow, mayTrigger, newRunId, start } from "./start.js";
import { asList, KEYS, text } from "./xcom.js";

export const CATALOGUE_DAG = "aep_catalog";
const TASK = "list_destinations";
/** Runs that Airflow lists at once, such pages that are looked through, and fitting runs that are tried. */
const RUNS = 100;
const PAGES = 10;
const TRIED = 10;
const MOST_PARTS = 1000;

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
  const asked = mayTrigger(CATALOGUE_DAG).then((may) => (may ? "" : "You have no right to start the DAG aep_catalog."));
  try {
    const [catalogue, whyNoRefresh] = await Promise.all([newest(place), asked]);
    return { catalogue, unreadable: "", whyNoRefresh };
  } catch (error) {
    const hidden = { 403: NO_RIGHT, 404: NO_DAG }[error.status];
    if (hidden) return { catalogue: null, unreadable: hidden, whyNoRefresh: hidden };
    if (error instanceof UnreadableError) {
      return { catalogue: null, unreadable: error.message, whyNoRefresh: await asked };
    }
    throw error;
  }
}

/** The newest catalogue that is whole, of a place if one is given; null if there is none. */
export async function newest(place = null) {
  const params = { state: "success", order_by: "-end_date", limit: RUNS };
  let tried = 0;
  for (let page = 0; page < PAGES; page += 1) {
    const { dag_runs: runs } = await ask(`dags/${CATALOGUE_DAG}/dagRuns`, {
      params: { ...params, offset: page * RUNS },
    });
    for (const run of runs.filter(({ conf }) => !place || isSamePlace(placeOf(conf), place))) {
      const flows = tried < TRIED && (await flowsOf(run));
      if (flows) return { runId: run.dag_run_id, at: run.end_date, place: placeOf(run.conf), flows };
      tried += 1;
    }
    if (runs.length < RUNS || tried >= TRIED) return null;
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

/** Why what is chosen of a catalogue cannot be delivered from a place; "" if it can. */
export function whyNotFrom(catalogue, place) {
  if (!catalogue) return "There is no list of destinations yet.";
  if (isSamePlace(catalogue.place, place)) return "";
  return "The list is of another sandbox or connection: press Refresh.";
}

/** A large catalogue is in several XComs, each of a size that any database takes; null if it is not all there. */
async function flowsOf(run) {
  const read = (key) => xcom(CATALOGUE_DAG, run.dag_run_id, TASK, key);
  const value = await read(KEYS.RETURN_VALUE);
  const number = Number.isInteger(value?.parts) ? Math.min(value.parts, MOST_PARTS) : 0;
  const parts = await Promise.all(Array.from({ length: number }, (_, at) => read(`${KEYS.CATALOG_PART}${at + 1}`)));
  if ([value, ...parts].some((part) => typeof part === "string")) {
    throw new UnreadableError("It is kept outside of Airflow's database (XCom backend), which this page cannot read.");
  }
  const all = [value?.flows, ...parts];
  return all.every(Array.isArray) ? merged(all.flat().map(flowOf).filter(Boolean)) : null;
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
