// What the tasks of a delivery leave for the pages: the keys and shapes of delivery/xcom.py, and how they are read.
// tests/unit/web/test_xcom.py compares this file with that one. Values may be of any form: a run can be years old,
// and anybody's task may write an XCom. So each accessor gives what it says, whatever it is given.

/** XCom keys. */
export const KEYS = Object.freeze({
  RETURN_VALUE: "return_value",
  BRIEFING: "briefing",
  CAMPAIGN_DAY: "campaign_day",
  OUTLOOK: "outlook",
  SUBMISSION: "submission",
  PROGRESS: "progress",
  LINK: "destination_link",
  REASON: "reason",
  CATALOG_PART: "flows_",
});

/** Ids of the tasks, without the prefix of their group; in the DAGs of others they may have one. */
export const TASK_IDS = Object.freeze({ PLAN: "plan_jobs", APPROVE: "approve", REPORT: "report" });

/** What an entry of a submission's `orders` holds, in this order. */
export const ORDER_FIELDS = Object.freeze(["flow_id", "audience_id", "run_id", "adopted"]);

/**
 * @typedef {object} ReasonNote why records were skipped or failed, in AEP's words
 * @property {string} code
 * @property {string} text
 * @property {number | null} records
 */

/**
 * @typedef {object} RunFigures what AEP says of a whole flow run that has ended; the rest is left out
 * @property {number} audiences
 * @property {number} seconds
 * @property {number} files
 * @property {number} bytes
 * @property {string[]} file_names
 * @property {ReasonNote[]} skipped
 * @property {ReasonNote[]} failed
 */

/**
 * @typedef {object} Result one pair's outcome; counts are null where AEP does not say
 * @property {string} flow_id
 * @property {string} audience_id
 * @property {string | null} run_id
 * @property {string} status
 * @property {number | null} records_exported
 * @property {number | null} records_skipped
 * @property {number | null} records_failed
 * @property {number} records_exported_in_run
 * @property {number} records_failed_in_run
 * @property {string} loss
 * @property {string | null} started_at
 * @property {string | null} completed_at
 * @property {string} error_code
 * @property {string} error
 * @property {boolean} adopted
 * @property {RunFigures} figures
 */

const LISTED = 10;

/** The `RunFigures` of a result: null where AEP does not say. */
export function figuresOf({ figures: given }) {
  const figures = isObject(given) ? given : {};
  const reasons = (list) => asList(list).filter(isObject).slice(0, LISTED).map(reasonOf);
  return {
    audiences: knownNumber(figures.audiences) ?? 1,
    seconds: knownNumber(figures.seconds),
    files: knownNumber(figures.files),
    bytes: knownNumber(figures.bytes),
    fileNames: asList(figures.file_names).map(text).filter(Boolean).slice(0, LISTED),
    skippedFor: reasons(figures.skipped),
    failedFor: reasons(figures.failed),
  };
}

const reasonOf = (item) => ({ code: text(item.code), text: text(item.text), records: knownNumber(item.records) });

/** What a delivery lost that AEP calls a success: a number of records, or why some may be missing; 0 is nothing. */
export function lostIn({ status, records_failed: own, records_failed_in_run: whole, loss }) {
  const failed = [own, whole].find((number) => typeof number === "number" && number > 0);
  return status === "success" ? (failed ?? (text(loss).slice(0, 100) || 0)) : 0;
}

/**
 * @typedef {object} Briefing what all tasks need to know of a plan besides its jobs
 * @property {object} settings
 * @property {Object<string, string>} names
 * @property {Object<string, string>} place
 */

/**
 * @typedef {object} Verdict what a run came to, in the words of its report
 * @property {string} state
 * @property {string} label
 * @property {string} headline
 * @property {string[]} advice
 * @property {string[]} failed_tasks
 */

/**
 * @typedef {object} Report what `report` returns
 * @property {Object<string, number>} summary
 * @property {Result[]} results
 * @property {Verdict} verdict
 */

/**
 * @typedef {object} SubmissionNote what is known of one job
 * @property {number} v
 * @property {number} job
 * @property {any[][]} orders
 * @property {string[][]} missing
 * @property {string} missing_is
 * @property {any[][]} later
 */

/**
 * @typedef {object} ProgressNote how far a wait is
 * @property {number} ended
 * @property {number} of
 * @property {Result[]} results
 */

/** A number that AEP gives: it answers -1 where it does not know. */
export const knownNumber = (value) => (typeof value === "number" && value >= 0 ? value : null);

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
export const asList = (value) => (Array.isArray(value) ? value : []);
export const text = (value) => (typeof value === "string" ? value : "");

/** The results in a `Report` or a `ProgressNote`; null if it is neither. @returns {Result[] | null} */
export function resultsOf(value) {
  return isObject(value) && Array.isArray(value.results) ? value.results.filter(isObject) : null;
}

/** The flow runs of AEP in a `Report` or a `ProgressNote`. */
export const flowRunsOf = (value) => (resultsOf(value) ?? []).map((item) => text(item.run_id)).filter(Boolean);

/** The verdict in a `Report`; null if there is none. @returns {Verdict | null} */
export function verdictOf(value) {
  const verdict = isObject(value) ? value.verdict : null;
  if (!isObject(verdict) || !text(verdict.headline)) return null;
  return {
    state: text(verdict.state),
    label: text(verdict.label),
    headline: verdict.headline,
    advice: asList(verdict.advice).map(text).filter(Boolean),
    failed_tasks: asList(verdict.failed_tasks).map(text).filter(Boolean),
  };
}

/** The verdict's line, as the log of `report` has it. @param {Verdict} verdict */
export const titleOf = (verdict) => [verdict.label, verdict.headline].filter(Boolean).join(": ");

const partOfPlan = (value, part) => (isObject(value) && isObject(value[part]) ? value[part] : {});

/** The checked settings in a `Briefing`. */
export const settingsOf = (value) => partOfPlan(value, "settings");

/** Flow or audience id → name, of a `Briefing`. @returns {Map<string, string>} */
export const namesOf = (value) => new Map(Object.entries(partOfPlan(value, "names")).filter(([, name]) => text(name)));

/** The sandbox in a `Briefing`; "" where it does not say. */
export const sandboxOf = (value) => text(partOfPlan(value, "place").sandbox_name);

/** The jobs that `plan_jobs` returned; null if it returned nothing. */
export const jobsOf = (value) => (Array.isArray(value) ? value.filter(isObject) : null);

const MOST_PAIRS = 5000;
const isId = (value) => typeof value === "string" && value.length < 256;

/** [flow id, audience id] of each pair of an `activation_info`, as many as a run may have. @returns {[string, string][]} */
export function pairsOf(info) {
  const pairs = [];
  for (const [flow, audiences] of Object.entries(isObject(info) ? info : {})) {
    for (const audience of isId(flow) ? asList(audiences).filter(isId) : []) {
      if (pairs.length === MOST_PAIRS) return pairs;
      pairs.push([flow, audience]);
    }
  }
  return pairs;
}

/** A `SubmissionNote`, with its orders as objects that have `ORDER_FIELDS`. */
export function submissionOf(value) {
  const note = isObject(value) ? value : {};
  const named = (order) => Object.fromEntries(ORDER_FIELDS.map((field, index) => [field, order[index]]));
  return {
    job: note.job ?? null,
    orders: asList(note.orders).filter(Array.isArray).map(named),
    missing: asList(note.missing).filter(Array.isArray),
    missingIs: text(note.missing_is) || "unknown",
  };
}

/** Why a campaign day is not delivered by a run; "" if it is, or if the DAG has no day rules. */
export function reasonToSkip(value) {
  return isObject(value) && value.deliver === false ? text(value.reason) || "its day rules" : "";
}
