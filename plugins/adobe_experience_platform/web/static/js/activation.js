// The Activation tab of a DAG run: asks Airflow, follows the run while it goes on.

import { ApiError, ask, list, runPath, xcom } from "./api.js";
import { deliveries, KEYS_OF_PART, partOf, xcomKey } from "./delivery.js";
import { showDelivery, showNotice } from "./activation_view.js";
import { light } from "./light.js";
import { errorIn, logOf } from "./task_log.js";

const PAUSE = 3000;
const LONGEST_PAUSE = 30000;
const MOST_LOGS = 8;
const MOST_TASKS = 2000;

const address = new URLSearchParams(location.search);
const dagId = address.get("dag_id") ?? "";
const runId = address.get("run_id") ?? "";
const page = document.getElementById("page");

/** What is known so far; XComs and errors are read again only when they have changed. */
const known = { run: null, tasks: [], values: new Map(), stamps: new Map(), errors: new Map(), hidden: "" };
let timer = null;
let faults = 0;

async function load() {
  clearTimeout(timer);
  try {
    const [run, tasks] = await Promise.all([
      ask(runPath(dagId, runId)),
      list(`${runPath(dagId, runId)}/taskInstances`, "task_instances", { most: MOST_TASKS }),
    ]);
    Object.assign(known, { run, tasks: tasks.filter(partOf) });
    const first = !known.stamps.size;
    if (first && known.tasks.length) show(true);
    if (known.tasks.length) await Promise.all([readXComs(), readErrors()]);
    faults = 0;
    show(false);
  } catch (error) {
    faults += 1;
    if (!(error instanceof ApiError)) console.error(error);
    const lasting = error instanceof ApiError && [401, 403, 404].includes(error.status);
    if (!known.run || lasting) showNotice(page, error, { dagId, runId, retry: load });
    else show(false, true);
    if (lasting) return;
  }
  const over = known.run && ["success", "failed"].includes(known.run.state);
  if (!over || faults) timer = setTimeout(goOn, Math.min(PAUSE * 2 ** faults, LONGEST_PAUSE));
}

/** Nobody looks: ask no more until somebody does. */
function goOn() {
  if (document.hidden) document.addEventListener("visibilitychange", load, { once: true });
  else load();
}

async function readXComs() {
  const tasks = new Map(known.tasks.map((task) => [`${task.task_id}|${task.map_index}`, task]));
  let entries;
  try {
    entries = await list(`${runPath(dagId, runId)}/taskInstances/~/xcomEntries`, "xcom_entries", {
      most: 5000,
    });
    known.hidden = "";
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
    known.hidden = "You may see this run, but not its XComs, which hold the results. Ask for the right to read them.";
    return;
  }
  const there = new Set();
  const readOne = async (entry) => {
    const task = tasks.get(`${entry.task_id}|${entry.map_index}`);
    if (!task || !KEYS_OF_PART[partOf(task)]?.includes(entry.key)) return;
    const key = xcomKey(task, entry.key);
    there.add(key);
    if (known.stamps.get(key) === entry.timestamp) return;
    const value = await xcom(dagId, runId, task.task_id, entry.key, { mapIndex: task.map_index });
    known.values.set(key, value);
    known.stamps.set(key, entry.timestamp);
  };
  await Promise.all(entries.map(readOne));
  for (const key of known.values.keys()) {
    if (!there.has(key)) {
      known.values.delete(key);
      known.stamps.delete(key);
    }
  }
}

/** Read why tasks failed, from the ends of their logs, where no XCom says it. */
async function readErrors() {
  const failed = known.tasks.filter((task) => task.state === "failed" && !["watch", "report"].includes(partOf(task)));
  for (const key of known.errors.keys()) {
    if (!failed.some((task) => xcomKey(task, "error") === key)) known.errors.delete(key);
  }
  const missing = failed.filter((task) => !known.errors.has(xcomKey(task, "error"))).slice(0, MOST_LOGS);
  const readOne = async (task) =>
    known.errors.set(xcomKey(task, "error"), errorIn((await logOf(dagId, runId, task)) ?? []));
  await Promise.all(missing.map(readOne));
}

function show(reading, stale = false) {
  light(["queued", "running"].includes(known.run.state));
  const found = deliveries(known.run, known.tasks, known.values, known.errors);
  showDelivery(page, { run: known.run, found, reading, stale, hidden: known.hidden, dagId, runId });
}

if (dagId && runId) load();
else showNotice(page, new ApiError(404, "The address names no DAG run."), { dagId, runId });
