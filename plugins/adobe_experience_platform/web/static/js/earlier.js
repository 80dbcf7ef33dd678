// An earlier run, to be delivered again: what it was asked for. No page.

import { ApiError, ask, runPath, xcom } from "./api.js";
import { isObject, jobsOf, KEYS, pairsOf, resultsOf, settingsOf, TASK_IDS, text } from "./xcom.js";

/**
 * @returns {Promise<{values: object, info: object | null}>} `values`: its settings; `info`: {flow: [audience]}, ids or
 *   names as they were given, null if nothing says it
 */
export async function earlierRun(dagId, runId) {
  const run = await ask(runPath(dagId, runId));
  const conf = isObject(run.conf) ? run.conf : {};
  const hasInfo = isObject(conf.activation_info);
  const read = (taskId, key) => xcom(dagId, runId, taskId, key);
  // A campaign has its settings in its file, and so may other DAGs: the plan says them. The conf alone does, too.
  const plan = await read(TASK_IDS.PLAN, KEYS.BRIEFING).catch((error) => {
    if (!hasInfo || !(error instanceof ApiError) || error.status === 401) throw error;
  });
  const values = { ...settingsOf(plan), ...conf };
  if (hasInfo) return { values, info: conf.activation_info };
  const jobs = await read(TASK_IDS.PLAN, KEYS.RETURN_VALUE);
  let pairs = (jobsOf(jobs) ?? []).flatMap((job) => pairsOf(job.activation_info));
  if (!pairs.length) {
    const results = resultsOf(await read(TASK_IDS.REPORT, KEYS.RETURN_VALUE)) ?? [];
    pairs = results.map((result) => [text(result.flow_id), text(result.audience_id)]);
  }
  const info = new Map();
  for (const [flow, audience] of pairs) info.set(flow, [...(info.get(flow) ?? []), audience]);
  return { values, info: pairs.length ? Object.fromEntries(info) : null };
}

const ATTEMPT = "aep-deliver-attempt";

/** Keep the id of a run until it is known whether it was started, for the case that the page is reloaded. */
export function remember(runId) {
  try {
    if (runId) sessionStorage.setItem(ATTEMPT, runId);
    else sessionStorage.removeItem(ATTEMPT);
  } catch {
    /* storage is off */
  }
}

/** The id that was kept when this page was left, if it was started; it is forgotten, unless Airflow does not say. */
export async function startedBefore(dagId) {
  let runId = null;
  try {
    runId = sessionStorage.getItem(ATTEMPT);
  } catch {
    /* storage is off */
  }
  if (!runId) return null;
  const status = await ask(runPath(dagId, runId)).then(
    () => 200,
    (error) => error.status,
  );
  if (status === 200 || status === 404) remember(null);
  return status === 200 ? runId : null;
}
