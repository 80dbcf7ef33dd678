// Many runs at a glance: what is kept of each report, and what charts and totals are made of. No requests, no page.

import { exported, written } from "./figures.js";
import { dayKey } from "./format.js";
import { DELIVERED } from "./statuses.js";
import { figuresOf, knownNumber, lostIn, pairsOf, resultsOf, text, titleOf, verdictOf } from "./xcom.js";

/** Who has started a delivery. */
export const [HERE, OTHERS] = ["here", "others"];
const DAY = 86400000;
const FINISHED = new Set(["success", "failed"]);

export const isFinished = (run) => FINISHED.has(run.state);
/** A dry run delivers nothing: it counts for no success rate. */
export const isDry = (run) => run.isDry === true;

/**
 * Keep of a run's reports (one for each group of its tasks) what the page needs: plain and small enough for the
 * browser's storage.
 * @param {object[]} reports what the tasks `report` returned, or a `progress` of a run that goes on
 */
export function condense(reports) {
  const flows = new Map();
  const pairsOfFlows = new Map();
  const kept = {
    pairs: 0,
    delivered: 0,
    partly: 0,
    lossy: 0,
    doubtful: 0,
    failed: 0,
    unknown: 0,
    problem: "",
    verdict: "",
  };
  for (const item of reports.flatMap((report) => resultsOf(report) ?? [])) {
    const id = text(item.flow_id).slice(0, 255);
    if (!id) continue;
    const flow = flows.get(id) ?? { flow: id, pairs: 0, delivered: 0 };
    flows.set(id, flow);
    const [own, whole] = [item.records_exported, item.records_exported_in_run].map(knownNumber);
    const pair = { status: item.status, runId: item.run_id, exported: own, exportedInRun: whole, ...figuresOf(item) };
    if (!pairsOfFlows.has(id)) pairsOfFlows.set(id, []);
    pairsOfFlows.get(id).push(pair);
    for (const sums of [kept, flow]) {
      sums.pairs += 1;
      if (DELIVERED.has(item.status)) sums.delivered += 1;
    }
    const lost = lostIn(item);
    if (lost) kept[lost > 0 ? "lossy" : "doubtful"] += 1;
    if (item.status === "partial_success") kept.partly += 1;
    else if (item.status === "failed" || item.status === "not_sent") kept.failed += 1;
    else if (item.status === "unknown") kept.unknown += 1;
    if (!kept.problem && ["failed", "unknown"].includes(item.status)) {
      kept.problem = [text(item.error_code) && `[${item.error_code}]`, text(item.error)]
        .filter(Boolean)
        .join(" ")
        .slice(0, 300);
    }
  }
  const verdicts = reports.map(verdictOf).filter(Boolean);
  const figures = (pairs) => ({ ...exported(pairs), ...written(pairs) });
  const told = [...flows.values()].map((flow) => ({ ...flow, ...figures(pairsOfFlows.get(flow.flow)) }));
  const whole = figures([...pairsOfFlows.values()].flat());
  return { ...kept, ...whole, verdict: verdicts.map(titleOf).join("; ").slice(0, 300), flows: told };
}

/** Flows that a run delivers to, as far as is known. */
export function flowsOf(run, kept) {
  if (kept?.flows.length) return kept.flows.map(({ flow }) => flow);
  return [...new Set((run.asked ?? []).map(([flow]) => flow))];
}

/** Number of pairs that a run was asked for, null if it is not known (yet). */
export function askedOf(run, kept) {
  return kept?.pairs || run.asked?.length || null;
}

/** What the list keeps of a run: its conf may be anything, and as long as somebody likes. */
export function slim({ conf, ...run }) {
  return { ...run, isDry: conf?.dry_run === true, asked: pairsOf(conf?.activation_info) };
}

/** Whether a run, or a delivery of others, fits what a person has chosen. */
export function fits(run, kept, { dag, state, flow, search, by = "" }, names) {
  if (dag && run.dag_id !== dag) return false;
  if (by && by !== (run.by ?? HERE)) return false;
  if (state && run.state !== state) return false;
  // A run that is not over may have been asked for by names.
  if (flow && !flowsOf(run, kept).some((asked) => asked === flow || asked === names.get(flow))) return false;
  if (!search) return true;
  const about = [run.dag_display_name, run.dag_id, run.dag_run_id, run.triggering_user_name, run.note];
  const named = [...flowsOf(run, kept), ...(run.audiences ?? [])].map((id) => `${id} ${names.get(id) ?? ""}`);
  return [...about, kept?.problem, kept?.verdict, ...named].join(" ").toLowerCase().includes(search.toLowerCase());
}

/** Totals of what is shown. Of others only what was told is known, and that need not be what failed: they have no rate. */
export function totals(runs, keptOf) {
  const sums = { runs: 0, others: 0, running: 0, success: 0, failed: 0, delivered: 0, pairs: 0, records: null };
  for (const run of runs) {
    const kept = keptOf(run);
    sums[run.by === OTHERS ? "others" : "runs"] += 1;
    if (isDry(run) && isFinished(run)) continue;
    if (kept && isFinished(run) && kept.records !== null) sums.records = (sums.records ?? 0) + kept.records;
    if (run.by === OTHERS) continue;
    if (run.state === "success") sums.success += 1;
    else if (run.state === "failed") sums.failed += 1;
    else sums.running += 1;
    if (kept && isFinished(run)) {
      sums.delivered += kept.delivered;
      sums.pairs += kept.pairs;
    }
  }
  return sums;
}

/**
 * One entry a day, also for days without runs: records by flow; of runs that were started here outcomes and durations.
 * @returns {{days: string[], flows: string[], records: Map<string, number[]>, success: number[], failed: number[],
 *   minutes: (number|null)[]}}
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
    if (run.by !== OTHERS) (run.state === "success" ? success : failed)[at] += 1;
    if (run.by !== OTHERS && typeof run.duration === "number") lengths[at].push(run.duration / 60);
    for (const sums of keptOf(run)?.flows ?? []) {
      if (only && sums.flow !== only) continue;
      if (!records.has(sums.flow)) records.set(sums.flow, zeros());
      records.get(sums.flow)[at] += sums.records ?? 0;
    }
  }
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const flows = [...records.keys()].sort((a, b) => sum(records.get(b)) - sum(records.get(a)));
  return { days, flows, records, success, failed, minutes: lengths.map(median) };
}

/** All days from the first to the last, at most 400. */
function daysOf(keys) {
  if (!keys.length) return [];
  const sorted = [...keys].sort();
  const start = Date.parse(`${sorted[0]}T12:00:00Z`);
  const number = Math.round((Date.parse(`${sorted.at(-1)}T12:00:00Z`) - start) / DAY) + 1;
  return Array.from({ length: Math.min(number, 400) }, (_, at) =>
    new Date(start + at * DAY).toISOString().slice(0, 10),
  );
}

function median(list) {
  if (!list.length) return null;
  const sorted = [...list].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
