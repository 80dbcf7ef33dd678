// The page that starts a delivery: what there is, what a person chooses of it, and what becomes of that.

import { ApiError, ask } from "./api.js";
import { campaignOf } from "./campaign.js";
import { CATALOGUE_DAG, catalogueFor, isSamePlace, placeOf, renew, whyNotFrom } from "./catalogue.js";
import { resultOf, verdictOf } from "./check.js";
import { ChoicesList } from "./choices_list.js";
import { copy } from "./copy.js";
import { save } from "./csv.js";
import { build, showAll, showList, showNotice } from "./deliver_view.js";
import { earlierRun, remember, startedBefore } from "./earlier.js";
import { faultMessage, obstacleOf } from "./faults_view.js";
import { dayKey, plural } from "./format.js";
import { readLast } from "./last.js";
import { light } from "./light.js";
import { airflow, goTo } from "./links.js";
import { accepted, given, settingsOf } from "./options_view.js";
import { confOf, faultOf, matched, MOST_PER_JOB, Order, summaryOf } from "./order.js";
import { follow, mayTrigger, newRunId, obstacleIn, pause, start, UncertainError, unpause, whyNot } from "./start.js";

const DAG = "aep_adhoc_activation";
const NO_RIGHT = "You may look, but not start deliveries: your role has no right to trigger this DAG.";
const LAST_PAUSE = 250;
const COPIED_FOR = 2500;
const MINUTE = 60000;

const page = document.getElementById("page");
/** What Airflow says. `why`: reasons why a person may not deliver or refresh, "" if they may. */
const known = { catalogue: null, unreadable: "", settings: [], why: { deliver: "", refresh: "" }, last: new Map() };
/** What a person has chosen and done; `sending` is "check" or "deliver" while that goes on. */
const state = {
  order: new Order(),
  search: "",
  values: {},
  faults: new Map(),
  formVersion: 0,
  messages: [],
  wanted: null,
  missing: [],
  check: null,
  checkedConf: "",
  sending: "",
  isUncertain: false,
  refresh: "",
  copied: "",
};
let attempt = null;
let pending = null;
let placeTimer = null;
let placeChanges = 0;

// -- what there is

async function load() {
  try {
    const [details, mayDeliver, found] = await Promise.all([
      ask(`dags/${DAG}/details`),
      mayTrigger(DAG),
      catalogueFor(),
    ]);
    take(found);
    known.settings = settingsOf(details);
    if (!mayDeliver) known.why.deliver = NO_RIGHT;
    warnOf(DAG, obstacleIn(details));
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error);
    showNotice(page, error, () => location.reload());
    return;
  }
  takePlace();
  await takeOver();
  showCatalogue();
  show();
  lookBack();
  readLast(known.last, soon).catch((error) => error instanceof ApiError || console.error(error));
  setInterval(() => document.hidden || show(), MINUTE);
}

function take({ catalogue, unreadable, whyNoRefresh }) {
  Object.assign(known, { catalogue, unreadable, why: { ...known.why, refresh: whyNoRefresh } });
}

function showCatalogue() {
  if (!showList(page, known)) return;
  list.setFlows(known.catalogue.flows);
  list.show(state.search, state.order);
}

/** Many reports come close together: show them together. */
function soon() {
  pending ??= setTimeout(() => {
    pending = null;
    list.tell();
  }, LAST_PAUSE);
}

/** What is delivered is of the place that the list is of. */
function takePlace() {
  for (const [name, value] of Object.entries(known.catalogue?.place ?? {})) if (value) state.values[name] = value;
  state.formVersion += 1;
}

// -- an earlier run

/** Fill the page from the run that the address names; without a list of its place, once there is one. */
async function takeOver() {
  const query = new URLSearchParams(location.search);
  const [dagId, runId] = [query.get("dag_id"), query.get("run_id")];
  if (!dagId || !runId) return;
  try {
    const { values, info } = await earlierRun(dagId, runId);
    if (!info) {
      tell("warn", `The run ${runId} does not say what it delivered.`);
      return;
    }
    state.wanted = info;
    await takeSettings(values);
    fillIn();
    if (state.wanted) tell("warn", `The run ${runId} is filled in as soon as there is a list of destinations.`);
    else tell("idle", `Filled in from the run ${runId}. Nothing has been sent.`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    tell("warn", `The run ${runId} of ${dagId} cannot be read: ${error.message}.`);
  }
}

function fillIn() {
  if (!state.wanted || !known.catalogue) return;
  const { order, missing } = matched(state.wanted, known.catalogue.flows);
  Object.assign(state, { order, missing: [...state.missing, ...missing], wanted: null });
}

/** What the run does not say has its default, also the place. */
async function takeSettings(own) {
  const { values, refused } = accepted(known.settings, own);
  const why = "cannot have this value: it has its default now";
  Object.assign(state, { values, missing: refused.map((title) => ({ flow: title, audience: "", why })) });
  state.formVersion += 1;
  const place = placeOf(state.values);
  if (known.catalogue && !isSamePlace(place, known.catalogue.place)) await changePlace(place);
}

// -- what a person does

function choose(flow, audiences, isChosen) {
  for (const audience of audiences) state.order.set(flow, audience, isChosen);
  show();
}

function set(name, value, fault) {
  state.values[name] = value;
  if (fault) state.faults.set(name, fault);
  else state.faults.delete(name);
  show();
  if (name !== "aep_conn_id" && name !== "sandbox_name") return;
  clearTimeout(placeTimer);
  placeTimer = setTimeout(() => changePlace(placeOf(state.values)).then(show, failed), 600);
}

/** Another connection or sandbox has another list; what was asked for last counts, whatever is answered last. */
async function changePlace(place) {
  placeChanges += 1;
  const turn = placeChanges;
  const found = await catalogueFor(place);
  if (turn !== placeChanges) return;
  take(found);
  const lost = state.order.keep(known.catalogue?.flows ?? []);
  if (lost) tell("warn", `${plural(lost, "audience")} that you had chosen cannot be delivered now.`);
  fillIn();
  showCatalogue();
}

const settings = () => given(known.settings, state.values);
const conf = () => confOf(state.order, settings());
const limit = () => state.values.max_audiences_per_job ?? MOST_PER_JOB;

const actions = {
  set,
  search(text) {
    state.search = text;
    list.show(text, state.order);
  },
  clear() {
    Object.assign(state, { order: new Order(), missing: [], wanted: null });
    list.mark(state.order);
    show();
  },
  async json() {
    if (!(await copy(JSON.stringify(conf(), null, 2)))) return;
    state.copied = "Copied";
    show();
    await pause(COPIED_FOR);
    state.copied = "";
    show();
  },
  yaml() {
    const text = campaignOf(state.order, known.catalogue.flows, settings());
    save(`campaign_${dayKey(Date.now())}.yaml`, text, "application/yaml");
  },
  check: () => once("sending", "check", check),
  submit: () => once("sending", "deliver", deliver),
  refresh: () => once("refresh", "Starting…", refresh),
  async unpause(dagId) {
    try {
      await unpause(dagId);
      state.messages = [];
    } catch (error) {
      failed(error, `You may not resume ${dagId}: ask whoever looks after Airflow.`);
    }
    show();
  },
};

/** One press at a time: a second one does nothing. */
async function once(what, name, act) {
  if (state[what]) return;
  Object.assign(state, { [what]: name, messages: [] });
  show();
  try {
    await act();
  } catch (error) {
    failed(error);
  }
  state[what] = "";
  show();
}

async function deliver() {
  // Pressed again after a lost answer: the same run, whatever stands in the form.
  const isFirst = attempt === null;
  if (isFirst && (await isInTheWay(DAG))) return;
  attempt ??= { runId: newRunId("deliver"), conf: conf() };
  remember(attempt.runId);
  try {
    const run = await start(DAG, attempt.runId, attempt.conf, !isFirst);
    remember(null);
    leaveFor(run.dag_run_id);
  } catch (error) {
    state.isUncertain = error instanceof UncertainError;
    if (!state.isUncertain) {
      attempt = null;
      remember(null);
    }
    throw error;
  }
  await new Promise(() => {}); // the next page is on its way: nothing can be pressed any more
}

function leaveFor(runId) {
  const run = { url: airflow.activation(DAG, runId), label: "Open the delivery" };
  tell("busy", "Started.", run);
  show();
  goTo(run.url);
}

async function check() {
  const [order, asked, jobs] = [conf(), summaryOf(state.order, limit()), state.order.jobs(limit())];
  if (await isInTheWay(DAG)) return;
  const runId = newRunId("check");
  const base = { dagId: DAG, runId, faults: [], warnings: [], names: [], outlook: [], jobs };
  const tellCheck = (news) => {
    const isNews = news.state !== state.check?.state;
    state.check = { ...base, ...news };
    show();
    if (isNews) page.querySelector(".check").scrollIntoView({ block: "nearest" });
  };
  state.checkedConf = JSON.stringify(order);
  const title = "Checking with AEP…";
  tellCheck({ state: "running", title, text: "A dry run: nothing is sent." });
  try {
    await start(DAG, runId, { ...order, dry_run: true });
    const run = await follow(DAG, runId, ({ state: now }) => {
      const text = now === "queued" ? "Waiting for Airflow to start it." : "A dry run: nothing is sent.";
      tellCheck({ state: "running", title, text, started: true });
    });
    tellCheck({ started: true, ...verdictOf(await resultOf(run), asked) });
  } catch (error) {
    state.check = null;
    throw error;
  }
}

async function refresh() {
  if (await isInTheWay(CATALOGUE_DAG)) return;
  const place = placeOf(state.values);
  const { runId, fault } = await renew(place, () => {
    state.refresh = "Asking AEP…";
    show();
  });
  if (fault) {
    const run = { url: airflow.run(CATALOGUE_DAG, runId), label: "Open the run" };
    tell("bad", `The destinations could not be listed: ${fault}`, run);
    return;
  }
  if (isSamePlace(place, placeOf(state.values))) await changePlace(place);
}

/** Whether a DAG would take a run and not start it. */
async function isInTheWay(dagId) {
  return warnOf(dagId, await whyNot(dagId));
}

function warnOf(dagId, obstacle) {
  if (obstacle) state.messages = [obstacleOf(obstacle, dagId)];
  return obstacle !== "";
}

// -- what is to be said

function tell(tone, text, run = null) {
  state.messages = [...state.messages, { tone, text, run }];
}

function failed(error, forbidden) {
  // Only of a delivery it matters whether it was started.
  const isHarmless = error instanceof UncertainError && !state.isUncertain;
  state.messages = [faultMessage(isHarmless ? (error.cause ?? new ApiError(0, "")) : error, forbidden)];
  show();
}

/** Say whether what was being started when this page was left has been started. */
async function lookBack() {
  const runId = await startedBefore(DAG);
  if (!runId) return;
  const run = { url: airflow.activation(DAG, runId), label: "Open it" };
  tell("busy", "What you were starting when this page was left has been started.", run);
  show();
}

// -- what is shown

function view() {
  const [setFault] = state.faults.values();
  const fault = setFault ?? (whyNotFrom(known.catalogue, placeOf(state.values)) || faultOf(state.order, limit()));
  const text = state.order.size ? summaryOf(state.order, limit()) : "Nothing chosen yet";
  const isStale = state.check !== null && state.checkedConf !== JSON.stringify(conf());
  return { known, state, actions, summary: { text, fault }, isStale };
}

function show() {
  showAll(page, view());
  light(Boolean(state.sending || state.refresh));
}

// Brought back as it was left, the page would still be starting something.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
build(page, actions);
const list = new ChoicesList(page.querySelector("#list"), known.last, choose);
load();
