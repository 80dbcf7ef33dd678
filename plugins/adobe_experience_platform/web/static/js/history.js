// Many runs at a glance: what is kept of each report, and what charts and totals are made of. No requests, no page.

import { dayKey } from "./format.js";

const FINISHED = new Set(["success", "failed"]);
const DELIVERED = new Set(["success", "partial_success"]);

export const isFinished = (run) => FINISHED.has(run.state);
/** A dry run delivers nothing: it counts for no success rate. */
export const isDry = (run) => run.conf?.dry_run === true;

/**
 * Keep of a run's reports (one for each group of its tasks) what the page needs: small enough for the browser's storage.
 * @param {object[]} reports what the tasks `report` returned, or a `progress` of a run that goes on
 */
export function condense(reports) {
  const kept = { pairs: 0, delivered: 0, partly: 0, failed: 0, unknown: 0, records: 0, problem: "", flows: {} };
  for (const item of reports.flatMap((report) => (Array.isArray(report?.results) ? report.results : []))) {
    const flow = (kept.flows[item.flow_id] ??= { pairs: 0, delivered: 0, records: 0 });
    const records = typeof item.records_exported === "number" && item.records_exported > 0 ? item.records_exported : 0;
    kept.pairs += 1;
    flow.pairs += 1;
    kept.records += records;
    flow.records += records;
    if (DELIVERED.has(item.status)) {
      kept.delivered += 1;
      flow.delivered += 1;
      if (item.status === "partial_success") kept.partly += 1;
    } else if (item.status === "failed" || item.status === "not_sent") kept.failed += 1;
    else if (item.status === "unknown") kept.unknown += 1;
    if (!kept.problem && ["failed", "unknown"].includes(item.status)) {
      kept.problem = [item.error_code && `[${item.error_code}]`, item.error].filter(Boolean).join(" ").slice(0, 300);
    }
  }
  return kept;
}

/** Flows that a run delivers to, as far as is known. */
export function flowsOf(run, kept) {
  if (kept && Object.keys(kept.flows).length) return Object.keys(kept.flows);
  const info = run.conf?.activation_info;
  return info && typeof info === "object" && !Array.isArray(info) ? Object.keys(info) : [];
}

/** Number of audiences that a run was asked for, null if it is not known (yet). */
export function askedOf(run, kept) {
  if (kept?.pairs) return kept.pairs;
  const info = run.conf?.activation_info;
  if (!info || typeof info !== "object" || Array.isArray(info)) return null;
  return Object.values(info).reduce((sum, audiences) => sum + (Array.isArray(audiences) ? audiences.length : 0), 0);
}

/** Whether a run fits what a person has chosen. */
export function fits(run, kept, { dag, state, flow, search }, names) {
  if (dag && run.dag_id !== dag) return false;
  if (state && run.state !== state) return false;
  if (flow && !flowsOf(run, kept).includes(flow)) return false;
  if (!search) return true;
  const text = [run.dag_display_name, run.dag_id, run.dag_run_id, run.triggering_user_name, run.note, kept?.problem, ...flowsOf(run, kept).map((id) => `${id} ${names[id] ?? ""}`)];
  return text.join(" ").toLowerCase().includes(search.toLowerCase());
}

/** Totals of the runs that are shown. */
export function totals(runs, keptOf) {
  const sums = { runs: runs.length, running: 0, success: 0, failed: 0, delivered: 0, pairs: 0, records: 0 };
  for (const run of runs) {
    if (isDry(run) && isFinished(run)) continue;
    if (run.state === "success") sums.success += 1;
    else if (run.state === "failed") sums.failed += 1;
    else sums.running += 1;
    const kept = keptOf(run);
    if (kept && isFinished(run)) {
      sums.delivered += kept.delivered;
      sums.pairs += kept.pairs;
      sums.records += kept.records;
    }
  }
  return sums;
}

/**
 * One entry a day, also for days without runs: records by flow, runs by outcome, durations.
 * @returns {{days: string[], flows: string[], records: Map<string, number[]>, success: number[], failed: number[], minutes: (number|null)[]}}
 */
export function perDay(runs, keptOf, only = null) {
  const finished = runs.filter((run) => isFinished(run) && !isDry(run));
  const days = daysOf(finished.map((run) => dayKey(run.start_date ?? run.run_after)));
  const place = new Map(days.map((day, index) => [day, index]));
  const zeros = () => days.map(() => 0);
  const [success, failed, lengths] = [zeros(), zeros(), days.map(() => [])];
  const records = new Map();
  for (const run of finished) {
    const at = place.get(dayKey(run.start_date ?? run.run_after));
    (run.state === "success" ? success : failed)[at] += 1;
    if (typeof run.duration === "number") lengths[at].push(run.duration / 60);
    for (const [flow, sums] of Object.entries(keptOf(run)?.flows ?? {})) {
      if (only && flow !== only) continue;
      if (!records.has(flow)) records.set(flow, zeros());
      records.get(flow)[at] += sums.records;
    }
  }
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const flows = [...records.keys()].sort((a, b) => sum(records.get(b)) - sum(records.get(a)));
  return { days, flows, records, success, failed, minutes: lengths.map(median) };
}

function daysOf(keys) {
  if (!keys.length) return [];
  const sorted = [...keys].sort();
  const days = [];
  const last = sorted.at(-1);
  for (let day = new Date(`${sorted[0]}T12:00:00Z`); days.length < 400; day.setUTCDate(day.getUTCDate() + 1)) {
    days.push(day.toISOString().slice(0, 10));
    if (days.at(-1) >= last) break;
  }
  return days;
}

function median(list) {
  if (!list.length) return null;
  const sorted = [...list].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
