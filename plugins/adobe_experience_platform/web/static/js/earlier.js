// An earlier run, to be delivered again: what it was asked for. No page.

import { ask, runPath, xcom } from "./api.js";
import { look } from "./start.js";
import { isObject, jobsOf, KEYS, pairsOf, resultsOf, TASK_IDS, text } from "./xcom.js";

/**
 * @returns {Promise<{conf: object, info: object | null}>} `conf`: its settings; `info`: {flow: [audience]}, ids or names
 *   as they were given, null if nothing says it
 */
export async function earlierRun(dagId, runId) {
  const run = await ask(runPath(dagId, runId));
  const conf = run.conf ?? {};
  if (isObject(conf.activation_info)) return { conf, info: conf.activation_info };
  // A campaign's run has no conf: its plan has what it delivers, and how.
  const read = (taskId, key) => xcom(dagId, runId, taskId, key);
  const [settings, jobs] = await Promise.all([
    read(TASK_IDS.PLAN, KEYS.SETTINGS),
    read(TASK_IDS.PLAN, KEYS.RETURN_VALUE),
  ]);
  let pairs = (jobsOf(jobs) ?? []).flatMap((job) => pairsOf(job.activation_info));
  if (!pairs.length) {
    const results = resultsOf(await read(TASK_IDS.REPORT, KEYS.RETURN_VALUE)) ?? [];
    pairs = results.map((result) => [text(result.flow_id), text(result.audience_id)]);
  }
  const info = new Map();
  for (const [flow, audience] of pairs) info.set(flow, [...(info.get(flow) ?? []), audience]);
  return { conf: isObject(settings) ? settings : conf, info: pairs.length ? Object.fromEntries(info) : null };
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

/** The id that was kept when this page was left, if it was started; it is forgotten. */
export async function startedBefore(dagId) {
  let runId = null;
  try {
    runId = sessionStorage.getItem(ATTEMPT);
  } catch {
    /* storage is off */
  }
  remember(null);
  const run = runId && (await look(dagId, runId).catch(() => null));
  return run ? runId : null;
}
