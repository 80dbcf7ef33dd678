// Deliveries that nothing listed here has started: by AEP's schedule, its UI, another tool. Airflow knows of those
// that its asset watchers (`flow_run_asset`) have told; the pages ask AEP nothing. No page.

import { ask } from "./api.js";
import { isDry, isFinished, OTHERS } from "./history.js";
import { asList, isObject, knownNumber, lostIn, text } from "./xcom.js";

/** Events that Airflow lists at once. */
export const EVENTS = 100;
/** What an asset of `flow_run_asset` is called. */
const NAME = "aep_flow_run/";
const URI = "aep://flow-runs/";
const ENDED = new Set(["success", "partial_success", "failed"]);
const LONGEST_ID = 255;
const AUDIENCES = 100;
/** A delivery's times are not farther from the time at which it was told: else they are not believed. */
const FAR = 31 * 86400000;
const hourOf = (time) => Math.floor(time / 3600000);

/** Events that are looked at one by one, at most, where Airflow fails to list them. */
const SMALL = 10;

/** A page of what was told, newest first. `unread`: how many events Airflow fails to list. */
export async function toldPage(period, offset) {
  try {
    return pageOf(await listed(period, offset, EVENTS), 0);
  } catch (error) {
    if (error.status !== 500) throw error;
    return readParts(period, offset);
  }
}

/** Airflow 3.3.2 fails as long as a run that one of the events has started is queued. The others can be read. */
async function readParts(period, offset) {
  const { total_entries: total } = await listed(period, offset, 0); // fails if more is wrong
  const [found, queue] = [[], []];
  for (let at = offset; at < Math.min(total, offset + EVENTS); at += SMALL) queue.push([at, SMALL]);
  let unread = 0;
  while (queue.length) {
    const [at, size] = queue.shift();
    try {
      found.push(...asList((await listed(period, at, size)).asset_events));
    } catch (error) {
      if (error.status !== 500) throw error;
      const isSplit = size > 1 && unread < SMALL;
      if (isSplit) queue.unshift(...Array.from({ length: Math.min(size, total - at) }, (_, step) => [at + step, 1]));
      else unread += Math.min(size, total - at);
    }
  }
  return pageOf({ asset_events: found, total_entries: total }, unread);
}

function listed({ since, until }, offset, limit) {
  const params = { name_pattern: NAME, order_by: "-timestamp", limit, offset };
  return ask("assets/events", { params: { ...params, timestamp_gte: since, timestamp_lte: until } });
}

const pageOf = ({ asset_events: told, total_entries: total }, unread) => ({
  deliveries: asList(told).map(deliveryOf).filter(Boolean),
  total,
  unread,
});

/** How many assets there are whose watchers tell of deliveries. */
export async function watched() {
  const { total_entries: number } = await ask("assets", { params: { uri_pattern: URI, limit: 1 } });
  return number;
}

/**
 * What an event tells, in the form of a run of a DAG (see `slim` and `condense` in history.js). Null for what no
 * watcher has told: whoever may change assets can add events of any form.
 */
export function deliveryOf({ id: event, extra, uri, name, asset_id, timestamp }) {
  if (!text(uri).startsWith(URI) || extra?.from_trigger !== true || extra.from_rest_api || !isObject(extra.payload))
    return null;
  const { payload } = extra;
  const [id, flow] = [payload.run_id, payload.flow_id].map((value) => text(value).slice(0, LONGEST_ID));
  if (!id || !flow || !ENDED.has(payload.status)) return null;
  const audience = audienceOf(uri);
  const time = (value) => timeOf(value, Date.parse(timestamp));
  const [start, end] = [time(payload.started_at) ?? time(payload.created_at), time(payload.completed_at)];
  return {
    by: OTHERS,
    event,
    dag_run_id: id,
    state: payload.status === "success" ? "success" : "failed",
    status: payload.status,
    asset: { id: asset_id, name: text(name) },
    audience,
    hour: hourOf(Date.parse(time(payload.created_at) ?? start ?? end ?? timestamp)),
    run_after: start ?? end ?? new Date(timestamp).toISOString(),
    start_date: start,
    end_date: end,
    duration: start && end && end >= start ? (Date.parse(end) - Date.parse(start)) / 1000 : null,
    audiences: audience ? [audience] : asList(payload.audience_ids).map(text).filter(Boolean).slice(0, AUDIENCES),
    result: resultOf(payload, flow, audience ? 1 : (knownNumber(payload.audience_count) ?? 0)),
  };
}

/** The one audience that an asset is about, as the last part of the URI's path says it; "" for all of a flow. */
function audienceOf(uri) {
  const quoted = uri.slice(URI.length).split("?")[0].split("/")[3] ?? "";
  try {
    return decodeURIComponent(quoted).slice(0, LONGEST_ID);
  } catch {
    return quoted; // of another maker
  }
}

function resultOf(payload, flow, pairs) {
  const [records, files, bytes] = [payload.records_exported, payload.files, payload.bytes].map(knownNumber);
  const said = [text(payload.error_code) && `[${payload.error_code}]`, text(payload.error)];
  const delivered = payload.status === "failed" ? 0 : pairs;
  const lost = lostIn(payload);
  return {
    pairs,
    delivered,
    lossy: lost > 0 ? 1 : 0,
    doubtful: text(lost),
    records,
    files,
    bytes,
    problem: said.filter(Boolean).join(" ").slice(0, 300),
    flows: [{ flow, pairs, delivered, records, files, bytes }],
  };
}

function timeOf(value, told) {
  const at = Date.parse(text(value));
  return Math.abs(at - told) < FAR ? new Date(at).toISOString() : null;
}

/**
 * Those that nothing listed here has started. What may be of a run whose result is not known yet waits for that:
 * nothing is shown twice.
 * @param {object[]} told see `deliveryOf`, the newest first
 * @param {object[]} runs of DAGs; `isComplete` says whether the period has no older ones
 * @param {(id: string) => boolean} isOurs whether a delivery is known to be of a run of ours
 * @param {(run: object) => boolean} isKnown whether all that a run has started is known
 * @param {(run: object) => boolean} isHidden whether a person may not know what it has started
 * @returns {{others: object[], waiting: object[]}}
 */
export function apart(told, runs, { isComplete, isOurs, isKnown, isHidden, names }) {
  const whole = new Set(told.filter(({ audience }) => !audience).map(({ dag_run_id: id }) => id));
  const oldest = isComplete ? "" : runs.reduce((least, { run_after: at }) => (at < least ? at : least), "9");
  const open = byHour(runs.filter((run) => !isDry(run) && !isKnown(run)));
  const [others, waiting, seen] = [[], [], new Set()];
  for (const delivery of told) {
    const { dag_run_id: id, audience, run_after: at, hour, result } = delivery;
    const key = `${id}\n${audience}`;
    if (isOurs(id) || (audience && whole.has(id)) || at < oldest || seen.has(key)) continue;
    seen.add(key);
    const candidates = (open.get(hour) ?? []).filter((run) => mayAskFor(run, result.flows[0].flow, names));
    if (candidates.every(isHidden)) others.push({ ...delivery, isUnsure: candidates.length > 0 });
    else waiting.push(delivery);
  }
  return { others, waiting };
}

/** Hour → the runs that may have started something in it, by any clock. */
function byHour(runs) {
  const hours = new Map();
  for (const run of runs.filter(({ start_date: start }) => start)) {
    const last = hourOf(isFinished(run) ? Date.parse(run.end_date) : Date.now()) + 1;
    for (let hour = hourOf(Date.parse(run.start_date)) - 1; hour <= last; hour += 1) {
      if (!hours.has(hour)) hours.set(hour, []);
      hours.get(hour).push(run);
    }
  }
  return hours;
}

/** A run may ask for flows by their names, and those of a campaign are in its file. */
function mayAskFor(run, flow, names) {
  return !run.asked?.length || !names.has(flow) || run.asked.some(([asked]) => [flow, names.get(flow)].includes(asked));
}
