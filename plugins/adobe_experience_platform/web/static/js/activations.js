// The page with the deliveries of all DAGs: the list first, then results as they are looked at, then charts.

import { ApiError, ask, ROOT, runPath } from "./api.js";
import { fits, HERE, isFinished, perDay, slim } from "./history.js";
import { light } from "./light.js";
import { apart, EVENTS, toldPage, watched } from "./others.js";
import { isKnown, isOurs, kept as keptOf, learnFromCatalogue, names, read } from "./reports.js";
import { PAGE, readDags, runsPage } from "./runs.js";
import { draw } from "./charts.js";
import { build, showAll, showNotice } from "./activations_view.js";

const STEP = 200;
const PAUSE = 10000;
const DAYS = 30;
const LIVE = 12;

const place = document.getElementById("page");
const known = {
  dags: [],
  runs: new Map(),
  total: 0,
  wanted: STEP,
  shown: 50,
  refused: new Set(),
  stale: false,
  /** Events of watchers: those that were read, how many there are, the status of a refusal, and how many assets. */
  told: new Map(),
  toldTotal: 0,
  toldRefused: null,
  toldUnread: 0,
  watched: null,
};
const choice = { dag: "", by: "", state: "", flow: "", search: "", from: "", to: "" };
let timer = null;
let round = 0;

function readAddress() {
  const query = new URLSearchParams(location.search);
  for (const name of Object.keys(choice)) choice[name] = query.get(name) ?? "";
}

/** Keep the choice in the address, also in that of Airflow's page around this one: it can be shared and reloaded. */
function writeAddress() {
  const query = new URLSearchParams(Object.entries(choice).filter(([, value]) => value));
  const search = query.size ? `?${query}` : "";
  history.replaceState(null, "", location.pathname + search);
  const outer = window.parent;
  if (outer !== window && outer.location.pathname.startsWith(`${ROOT}/plugin/aep-activations`)) {
    outer.history.replaceState(outer.history.state, "", `${ROOT}/plugin/aep-activations${location.pathname}${search}`);
  }
}

function period() {
  const since = choice.from ? new Date(`${choice.from}T00:00:00`) : new Date(Date.now() - DAYS * 86400000);
  const until = choice.to ? new Date(`${choice.to}T23:59:59.999`).toISOString() : undefined;
  return { since: since.toISOString(), until };
}

const wantsOthers = () => !choice.dag && choice.by !== HERE;
/** What is known of a delivery, of a run or of others. */
const kept = (run) => run.result ?? keptOf(run);

/** Key of a run among all DAGs. */
const keyOf = (run) => `${run.dag_id}\n${run.dag_run_id}`;

function page(offset) {
  const ids = known.dags.map((dag) => dag.dag_id).filter((id) => !choice.dag || id === choice.dag);
  // Which deliveries are of others, only all runs can tell.
  const states = choice.state && !(wantsOthers() && known.told.size) ? [choice.state] : undefined;
  const { since, until } = period();
  return runsPage(ids, { states, offset, period: { run_after_gte: since, run_after_lte: until } });
}

function take(found) {
  for (const run of found.dag_runs) known.runs.set(keyOf(run), slim(run));
  known.total = Math.max(found.total_entries, found.dag_runs.length);
}

/** Read what watchers have told, newest first. It is not what the page is for: no fault of it stops the rest. */
async function readTold(mine, most) {
  if (!wantsOthers() || known.toldRefused === 403) return;
  try {
    let missing = 0;
    for (let offset = 0; offset < most; offset += EVENTS) {
      const { deliveries, total, unread } = await toldPage(period(), offset);
      if (mine !== round) return;
      for (const delivery of deliveries) known.told.set(delivery.event, delivery);
      missing += unread;
      known.toldTotal = total;
      if (offset + EVENTS >= total) break;
    }
    Object.assign(known, { toldUnread: missing, toldRefused: null });
    if (choice.by && !known.told.size) known.watched = await watched().catch(() => null);
  } catch (error) {
    if (mine === round) known.toldRefused = error.status ?? 0;
    if (!(error instanceof ApiError)) console.error(error);
  }
}

/** Reload the list, newest first, so that it can be read while the rest arrives. */
async function load() {
  const mine = ++round;
  clearTimeout(timer);
  try {
    if (!known.dags.length) known.dags = await readDags();
    known.runs = new Map();
    known.told = new Map();
    if (choice.state) await readTold(mine, known.wanted);
    for (let offset = 0; offset < known.wanted; offset += PAGE) {
      const found = await page(offset);
      if (mine !== round) return;
      take(found);
      show();
      if (known.runs.size >= found.total_entries || !found.dag_runs.length) break;
    }
    known.stale = false;
    readResults(mine);
    if (!choice.state) await readTold(mine, known.wanted);
    if (mine !== round) return;
    soon();
    timer = setTimeout(goOn, PAUSE);
  } catch (error) {
    if (mine === round) failed(error);
  }
}

/** See what is new: the newest page, and the DAGs for what comes next. */
async function refresh() {
  const mine = round;
  try {
    const [found, dags] = await Promise.all([page(0), readDags()]);
    if (mine !== round) return;
    known.dags = dags;
    take(found);
    await Promise.all([refreshOlder(found.dag_runs), readTold(mine, EVENTS)]);
    if (mine !== round) return;
    known.stale = false;
    show();
    readResults(mine);
  } catch (error) {
    failed(error);
    return;
  }
  timer = setTimeout(goOn, PAUSE);
}

/** A run that was running and is older than the newest page, is asked for by itself. */
async function refreshOlder(listed) {
  const seen = new Set(listed.map(keyOf));
  const others = [...known.runs.values()].filter((run) => !isFinished(run) && !seen.has(keyOf(run)));
  const readOne = async (run) => {
    try {
      known.runs.set(keyOf(run), slim(await ask(runPath(run.dag_id, run.dag_run_id))));
    } catch (error) {
      if (error.status !== 404) throw error;
      known.runs.delete(keyOf(run));
    }
  };
  await Promise.all(others.slice(0, LIVE).map(readOne));
}

function goOn() {
  clearTimeout(timer);
  if (document.hidden) document.addEventListener("visibilitychange", refresh, { once: true });
  else refresh();
}

function failed(error) {
  if (!(error instanceof ApiError)) console.error(error);
  const lasting = [401, 403].includes(error.status);
  if (!known.runs.size || lasting) showNotice(place, error, load);
  else {
    known.stale = true;
    show();
  }
  if (!lasting) timer = setTimeout(known.runs.size ? goOn : load, PAUSE);
}

/** Read results in the background, newest first; rows that are looked at go before (see `look`). */
function readResults(mine) {
  const readable = [...known.runs.values()].filter((run) => !known.refused.has(run.dag_id));
  const missing = readable.filter((run) => isFinished(run) && keptOf(run) === undefined);
  const live = readable.filter((run) => run.state === "running").slice(0, LIVE);
  for (const run of [...live, ...missing]) {
    result(run).then(() => {
      if (mine === round) soon();
    });
  }
  soon();
}

async function result(run, options) {
  try {
    await read(run, options);
  } catch (error) {
    // No right to read XComs, or a fault: the row says less, the page goes on. It is asked again at the next visit.
    if (error.status === 403) known.refused.add(run.dag_id);
  }
}

/** A row came into sight. */
function look(run) {
  if (!isFinished(run) || kept(run) !== undefined || known.refused.has(run.dag_id)) return;
  result(run, { urgent: true }).then(soon);
}

let pending = null;
/** Many results come close together: paint them together. */
function soon() {
  pending ??= setTimeout(() => {
    pending = null;
    show();
  }, 250);
}

let charted = "";
function show() {
  const ours = [...known.runs.values()];
  const { others, waiting } = wantsOthers() ? othersAmong(ours) : { others: [], waiting: [] };
  const all = [...ours, ...others].sort((a, b) => (b.run_after ?? "").localeCompare(a.run_after ?? ""));
  const runs = all.filter((run) => fits(run, kept(run), choice, names));
  light(all.some((run) => !isFinished(run)));
  showAll(place, { known, choice, runs, all, waiting: waiting.length, names, kept, actions });
  const data = perDay(runs, kept, choice.flow || null);
  const signature = JSON.stringify([data, [...data.records], [...names], document.documentElement.dataset.theme]);
  const canvas = (name) => place.querySelector(`canvas[data-chart="${name}"]`);
  const places = { records: canvas("records"), duration: canvas("duration"), success: canvas("success") };
  if (!data.days.length || signature === charted || !places.records) return;
  charted = signature;
  // After the list has been painted.
  requestAnimationFrame(() => setTimeout(() => draw(places, data, names).catch((error) => console.error(error))));
}

function othersAmong(runs) {
  const told = [...known.told.values()].sort((a, b) => b.event - a.event);
  const isComplete = known.total <= runs.length;
  const isHidden = (run) => known.refused.has(run.dag_id);
  const found = apart(told, runs, { isComplete, isOurs, isKnown, isHidden, names });
  // A run may ask for destinations by name, so names also tell which of them may have started what waits.
  learnFromCatalogue([...found.others, ...found.waiting]).then((isNews) => isNews && soon());
  return found;
}

const actions = {
  look,
  choose(news) {
    const asked = () => ["dag", "by", "state", "from", "to"].map((name) => choice[name]).join("\n");
    const before = asked();
    Object.assign(choice, news);
    known.shown = 50;
    writeAddress();
    if (asked() === before) show(); // what is there suffices
    else load();
  },
  more() {
    known.shown += 100;
    show();
  },
  older() {
    known.wanted += STEP;
    load();
  },
  /** All results of the shown runs, for the export. */
  async results(runs, told) {
    let done = 0;
    const readOne = async (run) => {
      await result(run, { urgent: true });
      done += 1;
      told(done);
    };
    await Promise.all(runs.filter((run) => kept(run) === undefined).map(readOne));
  },
};

readAddress();
build(place);
window.addEventListener("themechange", () => known.dags.length && show());
load();
