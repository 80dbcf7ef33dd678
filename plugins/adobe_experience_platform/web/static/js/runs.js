// The delivering DAGs that a visitor may read, and their runs.

import { ask, list } from "./api.js";

export const TAG = "aep-activation";
export const PAGE = 100;

/** A person who may read single DAGs only: each is asked by itself. */
let isSingle = false;

export const readDags = () => list("dags", "dags", { params: { tags: TAG, order_by: "dag_display_name" } });

/** A page of the runs of these DAGs, newest first. `period` is in the form that Airflow's API takes. */
export async function runsPage(ids, { states, offset = 0, limit = PAGE, period = {} }) {
  if (!ids.length) return { dag_runs: [], total_entries: 0 };
  if (!isSingle) {
    const paging = { order_by: "-run_after", page_limit: limit, page_offset: offset };
    try {
      return await ask("dags/~/dagRuns/list", { body: { dag_ids: ids, states, ...paging, ...period } });
    } catch (error) {
      if (error.status !== 403) throw error;
      isSingle = true;
    }
  }
  const params = { order_by: "-run_after", limit, offset, state: states, ...period };
  const found = await Promise.all(ids.map((id) => ask(`dags/${encodeURIComponent(id)}/dagRuns`, { params })));
  return {
    dag_runs: found.flatMap((item) => item.dag_runs),
    total_entries: found.reduce((sum, item) => sum + item.total_entries, 0),
  };
}
