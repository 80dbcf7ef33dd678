// What AEP says of whole flow runs: files, bytes, reasons. They belong to the run, and nothing divides them.

import { plural, size } from "./format.js";
import { DELIVERED } from "./statuses.js";

export const OF_RUN = "of the whole flow run: AEP does not say how much of it is of each of its audiences";

/**
 * The records that AEP says were exported; null where it says nothing. What it counts for a whole run only counts once,
 * if the run delivers nothing else. `isPart`: it does not say of all that was delivered how many records it was.
 */
export function exported(pairs) {
  const runs = new Map();
  for (const pair of pairs) {
    if (typeof pair.exported !== "number" && !DELIVERED.has(pair.status)) continue;
    if (!runs.has(pair.runId)) runs.set(pair.runId, []);
    runs.get(pair.runId).push(pair);
  }
  const counts = [...runs.values()].flatMap((own) => {
    const whole = own.map((pair) => pair.exportedInRun).filter((number) => typeof number === "number");
    return whole.length && own[0].audiences === own.length ? [whole[0]] : own.map((pair) => pair.exported ?? null);
  });
  const known = counts.filter((number) => number !== null);
  return { records: known.length ? known.reduce((a, b) => a + b, 0) : null, isPart: known.length < counts.length };
}

/** The records of these pairs in words, as far as AEP says how many. */
export function recordsText(pairs) {
  const { records, isPart } = exported(pairs.filter((pair) => DELIVERED.has(pair.status)));
  if (isPart && records === null) return "an unknown number of records";
  return `${isPart ? "at least " : ""}${plural(records ?? 0, "record")}`;
}

/**
 * The files and bytes of what was delivered; null unless AEP gives them for all of it. What a run delivered for others
 * too is not of these pairs.
 */
export function written(pairs) {
  const runs = new Map();
  for (const pair of pairs.filter(({ status }) => DELIVERED.has(status))) {
    const run = runs.get(pair.runId) ?? { ...pair, own: 0 };
    runs.set(pair.runId, { ...run, own: run.own + 1 });
  }
  const sum = (key) => {
    const numbers = [...runs.values()].map((run) => (run.audiences === run.own ? (run[key] ?? null) : null));
    return numbers.length && !numbers.includes(null) ? numbers.reduce((a, b) => a + b, 0) : null;
  };
  return { files: sum("files"), bytes: sum("bytes") };
}

/** "2 files, 855.2 MB", as far as it is known. */
export function writtenText({ files, bytes }) {
  const parts = [files !== null && plural(files, "file"), bytes !== null && size(bytes)];
  return parts.filter(Boolean).join(", ");
}

/** One reason of AEP's in words: "[CODE] text (400 records)". */
export function reasonText({ code, text, records }) {
  const words = [code && `[${code}]`, text].filter(Boolean).join(" ") || "no reason given";
  return records === null ? words : `${words} (${plural(records, "record")})`;
}

/** Why records of a pair's run failed: nothing where none of its own did, nor what its error says already. */
export function failedFor({ failed, failedFor: reasons = [], code = "", error = "" }) {
  if (failed === 0) return [];
  return reasons.filter((reason) => reason.records !== null || reason.code !== code || reason.text !== error);
}

/** Why records of a pair's run were skipped; nothing where none of its own were. */
export const skippedFor = ({ skipped, skippedFor: reasons = [] }) => (skipped === 0 ? [] : reasons);

/** AEP's error of a pair; "" where the reasons of what failed say the same, with numbers. */
export function errorOf(pair) {
  const { code = "", error = "" } = pair;
  if (failedFor(pair).some((reason) => reason.code === code && reason.text === error)) return "";
  return [code && `[${code}]`, error].filter(Boolean).join(" ");
}
