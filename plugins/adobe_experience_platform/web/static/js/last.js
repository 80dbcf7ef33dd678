// When each audience was last delivered where, as the reports of the newest runs say. No page.

import { ApiError } from "./api.js";
import { isDry, slim } from "./history.js";
import { reportsOf } from "./reports.js";
import { readDags, runsPage } from "./runs.js";
import { DELIVERED } from "./statuses.js";
import { resultsOf } from "./xcom.js";

const RUNS = 100;
const DAYS = 30;

export const pairKey = (flow, audience) => `${flow}\n${audience}`;

/**
 * Read reports in the background, newest first.
 * @param {Map<string, {at: string, records: number | null}>} known is filled, by `pairKey`
 * @param {() => void} told there is news
 */
export async function readLast(known, told) {
  const dags = await readDags();
  const period = { run_after_gte: new Date(Date.now() - DAYS * 86400000).toISOString() };
  const options = { states: ["success", "failed"], limit: RUNS, period };
  const ids = dags.map((dag) => dag.dag_id);
  const { dag_runs: runs } = await runsPage(ids, options);
  const sent = runs.map(slim).filter((run) => !isDry(run));
  const newest = sent.sort((a, b) => (b.run_after ?? "").localeCompare(a.run_after ?? "")).slice(0, RUNS);
  await Promise.all(newest.map((run) => learn(run, known, told)));
}

async function learn(run, known, told) {
  let reports;
  try {
    reports = await reportsOf(run);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return; // no right to read its XComs: the page says less
  }
  for (const result of reports.flatMap((report) => resultsOf(report) ?? [])) {
    if (!DELIVERED.has(result.status) || !result.completed_at) continue;
    const key = pairKey(result.flow_id, result.audience_id);
    if (known.get(key)?.at >= result.completed_at) continue;
    const records = typeof result.records_exported === "number" ? result.records_exported : null;
    known.set(key, { at: result.completed_at, records });
  }
  if (reports.length) told();
}
