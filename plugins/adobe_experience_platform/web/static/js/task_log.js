// What a task said, as far as a person may read its log.

import { ApiError, ask, runPath } from "./api.js";

const OURS = "airflow.task.operators.adobe_experience_platform.";

/** The records of a task's newest log; null where it cannot be read, such as without the right to. */
export async function logOf(dagId, runId, task) {
  const path = `${runPath(dagId, runId)}/taskInstances/${encodeURIComponent(task.task_id)}/logs/${task.try_number}`;
  try {
    const log = await ask(path, { params: { map_index: task.map_index, full_content: true } });
    return Array.isArray(log.content) ? log.content.filter((record) => typeof record === "object") : null;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    return null;
  }
}

/** Why the task failed; "" if its log does not say. */
export function errorIn(records) {
  const last = records.findLast((record) => record?.error_detail?.length);
  return String(last?.error_detail[0].exc_value ?? "");
}

/** What the task itself warned of. */
export function warningsIn(records) {
  const own = records.filter(({ level, logger }) => level === "warning" && String(logger).startsWith(OURS));
  return own.map((record) => String(record.event));
}

/** Lines of an error's text without list marks, and without the line that only begins the list. */
export function linesOf(text) {
  const found = text
    .split("\n")
    .map((line) => line.replace(/^\s*[-–•]\s*/, "").trim())
    .filter(Boolean);
  return found.length > 1 && found[0].endsWith(":") ? found.slice(1) : found;
}
