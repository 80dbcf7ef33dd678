// Starts a DAG run once. Its id is chosen before the first request, so whatever is sent again is the same run: Airflow
// refuses an id that it has.

import { ApiError, ask, PLUGIN, runPath } from "./api.js";

const TRIES = 3;
const PAUSE = 1500;
const FOLLOW_PAUSE = 1500;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const dagPath = (dagId) => `dags/${encodeURIComponent(dagId)}`;

/** Nobody knows whether the run was started: Airflow did not answer, however often it was asked. */
export class UncertainError extends Error {}

/** An id that no other run has, and that says what it is and when it was made. */
export function newRunId(kind, now = new Date()) {
  const random = [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${kind}__${now.toISOString().slice(0, 19)}+00:00__${random.join("")}`;
}

/** Whether the visitor may start runs of a DAG. */
export async function mayTrigger(dagId) {
  return (await ask(`${PLUGIN}may-trigger/${encodeURIComponent(dagId)}`)).may_trigger === true;
}

/** Why a DAG would not start a run although Airflow would take it; "" if it would. */
export function obstacleIn(dag) {
  if (dag.has_import_errors) return "broken";
  if (dag.is_stale) return "gone";
  return dag.is_paused ? "paused" : "";
}

export const whyNot = async (dagId) => obstacleIn(await ask(dagPath(dagId)));

export const unpause = (dagId) => ask(dagPath(dagId), { method: "PATCH", body: { is_paused: false } });

/**
 * Start a run, or find that it was started.
 * @param {boolean} wasLost whether an answer to the same request was lost before
 * @throws {UncertainError} if that cannot be found out; the same call may be made again
 * @throws {ApiError} if Airflow refuses: nothing was started
 */
export async function start(dagId, runId, conf, wasLost = false) {
  let isUncertain = wasLost;
  for (let tries = 1; tries <= TRIES; tries += 1) {
    try {
      return await ask(`${dagPath(dagId)}/dagRuns`, { body: { dag_run_id: runId, logical_date: null, conf } });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 409) return { dag_id: dagId, dag_run_id: runId }; // ours: nobody else makes such an id
      // What is refused for its content was refused the first time, too.
      if (!isLost(error) && isUncertain && ![400, 422].includes(error.status)) throw uncertain(error);
      if (!isLost(error)) throw error;
      isUncertain = true;
    }
    const found = await look(dagId, runId).catch((error) => Promise.reject(uncertain(error)));
    if (found) return found;
    if (tries < TRIES) await pause(PAUSE * tries);
  }
  throw uncertain(null);
}

const uncertain = (cause) => new UncertainError("Airflow does not say whether it was started", { cause });

/** The request may have arrived all the same. */
const isLost = ({ status }) => status < 400 || status >= 500;

/** The run with this id; null if there is none, or if Airflow does not say. */
async function look(dagId, runId) {
  try {
    return await ask(runPath(dagId, runId));
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || isLost(error))) return null;
    throw error;
  }
}

/** Follow a run to its end, also while Airflow does not answer now and then. */
export async function follow(dagId, runId, told) {
  for (;;) {
    try {
      const run = await ask(runPath(dagId, runId));
      if (["success", "failed"].includes(run.state)) return run;
      told(run);
    } catch (error) {
      if (!(error instanceof ApiError) || !isLost(error)) throw error;
    }
    await pause(FOLLOW_PAUSE);
  }
}

/** What Airflow says of a conf that it refuses: the first fault, without the dump of the schema. */
export const refusalOf = (error) => error.message.split("\n\nFailed validating")[0];
