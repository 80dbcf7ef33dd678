// Airflow's own REST API, asked with the visitor's own session: it decides what they may see.

/** Where this package's own files and routes are. */
export const PLUGIN = "/adobe-experience-platform/";
/** Where Airflow lives on its server: "" or a path such as "/airflow". */
export const ROOT = location.pathname.includes(PLUGIN)
  ? location.pathname.slice(0, location.pathname.indexOf(PLUGIN))
  : "";
const AT_ONCE = 4;
const TIMEOUT = 30000;

/** What Airflow refused or could not do. `status` is 0 where it did not answer. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail || (status ? `Airflow answered ${status}` : "Airflow does not answer"));
    this.status = status;
  }
}

let running = 0;
const queue = [];
/** How many requests there were, for tests. */
export const statistics = { requests: 0, atOnce: 0 };

/**
 * GET, or with a body POST, which also reads Airflow's long lists. `urgent` goes before what waits. A path that begins
 * with a slash is one of this package.
 */
export function ask(path, { params, body, method = body ? "POST" : "GET", urgent = true, signal } = {}) {
  return new Promise((resolve, reject) => {
    const job = { path, params, body, method, signal, resolve, reject };
    if (urgent) queue.splice(queue.findIndex((item) => !item.urgent) >>> 0, 0, { ...job, urgent });
    else queue.push(job);
    next();
  });
}

function next() {
  while (running < AT_ONCE && queue.length) {
    const job = queue.shift();
    if (job.signal?.aborted) {
      job.reject(new DOMException("No longer needed", "AbortError"));
      continue;
    }
    running += 1;
    statistics.requests += 1;
    statistics.atOnce = Math.max(statistics.atOnce, running);
    send(job)
      .then(job.resolve, job.reject)
      .finally(() => {
        running -= 1;
        next();
      });
  }
}

async function send({ path, params, body, method, signal }) {
  const url = new URL(ROOT + (path.startsWith("/") ? path : `/api/v2/${path}`), location.origin);
  for (const [name, value] of Object.entries(params ?? {})) {
    for (const item of [value].flat()) if (item !== null && item !== undefined) url.searchParams.append(name, item);
  }
  const limit = AbortSignal.timeout(TIMEOUT);
  const options = {
    method,
    credentials: "same-origin",
    headers: { Accept: "application/json" },
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  };
  if (body) options.body = JSON.stringify(body);
  if (body) options.headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, options);
    if (answer.ok) return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(answer?.status ?? 0, "");
  }
  throw new ApiError(answer.status, detailOf(await answer.text().catch(() => "")));
}

/** Airflow says why in three forms: a text, an object with a reason, or a list of what is wrong with the request. */
function detailOf(text) {
  try {
    const { detail } = JSON.parse(text);
    if (typeof detail === "string") return detail;
    const said = Array.isArray(detail) ? detail.map((item) => item?.msg) : [detail?.reason];
    return said.filter((item) => typeof item === "string").join("; ");
  } catch {
    return ""; // a gateway's page
  }
}

/** All pages of a list, at most `most` entries. */
export async function list(path, key, { params = {}, most = 1000, ...options } = {}) {
  const found = [];
  let total = Infinity;
  while (found.length < Math.min(total, most)) {
    const page = await ask(path, {
      params: { limit: Math.min(100, most - found.length), ...params, offset: found.length },
      ...options,
    });
    found.push(...page[key]);
    total = page.total_entries ?? found.length;
    if (!page[key].length) break;
  }
  return found;
}

export const runPath = (dagId, runId) => `dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;

/** An XCom's value, null if there is none. */
export async function xcom(dagId, runId, taskId, key, { mapIndex = -1, ...options } = {}) {
  const task = `${runPath(dagId, runId)}/taskInstances/${encodeURIComponent(taskId)}`;
  const path = `${task}/xcomEntries/${encodeURIComponent(key)}`;
  try {
    const entry = await ask(path, { params: { map_index: mapIndex }, ...options });
    return parsed(entry.value);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Objects may come as JSON text; other text stays text, also if it reads as a number. */
function parsed(value) {
  if (typeof value !== "string" || !/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
