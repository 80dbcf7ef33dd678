// Airflow's own REST API, asked with the visitor's own session: it decides what they may see.

const HERE = "/adobe-experience-platform/";
/** Where Airflow lives on its server: "" or a path such as "/airflow". */
export const ROOT = location.pathname.includes(HERE) ? location.pathname.slice(0, location.pathname.indexOf(HERE)) : "";
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

/** GET (or, with a body, POST: Airflow's long lists are read that way). `urgent` goes before what waits. */
export function ask(path, { params, body, urgent = true, signal } = {}) {
  return new Promise((resolve, reject) => {
    const job = { path, params, body, signal, resolve, reject };
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

async function send({ path, params, body, signal }) {
  const url = new URL(`${ROOT}/api/v2/${path}`, location.origin);
  for (const [name, value] of Object.entries(params ?? {})) {
    for (const item of [value].flat()) if (item !== null && item !== undefined) url.searchParams.append(name, item);
  }
  const limit = AbortSignal.timeout(TIMEOUT);
  const options = {
    credentials: "same-origin",
    headers: { Accept: "application/json" },
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  };
  if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  if (body) options.headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, options);
    if (answer.ok) return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(answer?.status ?? 0, "");
  }
  const text = await answer.text().catch(() => "");
  let detail = "";
  try {
    const said = JSON.parse(text).detail;
    detail = typeof said === "string" ? said : "";
  } catch {
    /* a gateway's page */
  }
  throw new ApiError(answer.status, detail);
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
