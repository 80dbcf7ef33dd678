// How the page that starts a delivery looks.

import { h, icon, update } from "./dom.js";
import { count, duration, full, plural } from "./format.js";
import { airflow, inside, outside } from "./links.js";
import { form } from "./options_view.js";
import { notice, problemOf } from "./parts.js";
import { plan } from "./plan_view.js";

const BANNER_ICONS = { busy: "running", idle: "again" };
const OLD = 24 * 3600;
const NAMES_SHOWN = 6;
const MISSING_SHOWN = 20;
const LINES_SHOWN = 50;

/** Lay out the page; its parts are filled by `showAll`. */
export function build(page, actions) {
  const search = {
    type: "search",
    placeholder: "Find an audience or a destination",
    autocomplete: "off",
    data: { testid: "deliver-search" },
    oninput: (event) => actions.search(event.target.value),
  };
  page.replaceChildren(
    h(
      "header.top",
      {},
      h("div", {}, h("h1", {}, "Deliver"), h("p.muted", {}, "Choose audiences, check, deliver now")),
      inside(airflow.activations(), { class: "button" }, "All activations"),
    ),
    h("div", { id: "banner" }),
    h(
      "div.work",
      {},
      h(
        "div.choose",
        {},
        h("div", { id: "check", role: "status" }),
        h(
          "form.toolbar",
          { role: "search", onsubmit: (event) => event.preventDefault() },
          h(
            "label.search",
            {},
            icon("search"),
            h("span.hidden", {}, "Find an audience or a destination"),
            h("input", search),
          ),
          h("div", { id: "source" }),
        ),
        h("div", { id: "list" }, h("p.loading", { role: "status" }, "Loading destinations…")),
      ),
      h(
        "aside.side",
        { "aria-label": "Your delivery" },
        h(
          "div",
          { id: "order", class: "card" },
          h("h2", {}, "Your delivery"),
          h("p.summary", { role: "status", data: { testid: "deliver-summary" } }),
          h("div", { id: "act" }),
          h("div", { id: "messages", role: "status" }),
        ),
        h("div", { id: "options", class: "card" }, h("h2", {}, "Options"), h("div", { id: "form" })),
      ),
    ),
  );
}

/** Say what is wrong instead of the page. */
export function showNotice(page, error, retry) {
  const about = { what: "the DAG aep_adhoc_activation", gone: "The DAG is missing", isPolled: false };
  const problem = () => problemOf(error, { retry, ...about });
  update(page, ["problem", error.status, error.message], problem);
}

export function showAll(page, view) {
  const { known, state, actions } = view;
  const part = (id) => page.querySelector(`#${id}`);
  update(part("banner"), state.missing, () => state.missing.length > 0 && missing(state.missing));
  // Beside the buttons, which are always in sight.
  update(part("messages"), state.messages, () => state.messages.map((message) => banner(message, actions)));
  const minute = Math.floor(Date.now() / 60000);
  const { flows, ...about } = known.catalogue ?? { flows: [] };
  const shown = [about, flows.length, state.refresh, state.isUncertain, known.why, minute];
  update(part("source"), shown, () => source(view));
  update(part("form"), [known.settings, state.formVersion], () => form(known.settings, state.values, actions.set));
  const { text, fault } = view.summary;
  const order = [
    text,
    fault,
    state.sending,
    state.values.dry_run,
    state.isUncertain,
    state.copied,
    known.why,
    chosenLines(view),
  ];
  const summary = page.querySelector(".summary");
  if (summary.textContent !== text) summary.textContent = text;
  update(part("act"), order, () => orderPart(view));
  update(part("check"), [state.check, view.isStale], () => state.check && checkPart(view));
  for (const id of ["list", "options"]) part(id).inert = state.isUncertain || state.sending === "deliver";
}

function banner({ tone, text, run, act }, actions) {
  const button = act && { type: "button", data: { key: act.name }, onclick: () => actions[act.name](act.value) };
  return h(
    "p",
    { class: `banner tone-${tone}` },
    icon(BANNER_ICONS[tone] ?? "warning"),
    h("span", {}, text),
    run && (run.newTab ? outside : inside)(run.url, { data: { key: "banner-run" } }, run.label),
    act && h("button.button", button, act.label),
  );
}

/** What of an earlier run is not taken over, and why. */
function missing(items) {
  const item = ({ flow, audience, why }) =>
    h("li", {}, h("strong", {}, [audience, flow].filter(Boolean).join(" → ")), " ", why || "cannot be delivered now");
  const more = items.length - MISSING_SHOWN;
  return h(
    "div.banner.tone-warn.list-banner",
    {},
    icon("warning"),
    h(
      "div",
      {},
      h("p", {}, `${plural(items.length, "entry", "entries")} of that run cannot be taken over:`),
      h("ul", {}, items.slice(0, MISSING_SHOWN).map(item), more > 0 && h("li", {}, `and ${more} more`)),
    ),
  );
}

function source({ known, state, actions }) {
  const { catalogue, why } = known;
  const seconds = catalogue && (Date.now() - new Date(catalogue.at)) / 1000;
  const place = catalogue && [catalogue.place.sandbox_name && `sandbox ${catalogue.place.sandbox_name}`];
  if (place && catalogue.place.aep_conn_id) place.push(`connection ${catalogue.place.aep_conn_id}`);
  const age =
    catalogue && h("time", { datetime: catalogue.at, title: full(catalogue.at) }, `${duration(ageShown(seconds))} old`);
  const button = {
    type: "button",
    disabled: Boolean(why.refresh || state.refresh || state.isUncertain),
    "aria-describedby": why.refresh ? "why-refresh" : null,
    data: { testid: "deliver-refresh", key: "refresh" },
    onclick: actions.refresh,
  };
  return [
    catalogue &&
      h(
        "p",
        { class: seconds > OLD ? "age old" : "age muted" },
        [...place.filter(Boolean).flatMap((text) => [text, ", "])],
        "this list is ",
        age,
      ),
    h("button.button", button, icon(state.refresh ? "running" : "again"), state.refresh || "Refresh"),
    why.refresh && h("p.hint", { id: "why-refresh" }, why.refresh),
  ];
}

/** Seconds are of no interest here. */
const ageShown = (seconds) => (seconds < 60 ? seconds : Math.floor(seconds / 60) * 60);

export function showList(page, known) {
  const list = page.querySelector("#list");
  if (known.catalogue?.flows.length) return true;
  const text = known.catalogue
    ? "The sandbox has no destination. Set one up in AEP, then press Refresh."
    : "Press Refresh: the DAG aep_catalog asks AEP which destinations and audiences there are.";
  const title = known.catalogue ? "No destinations" : "No list of destinations yet";
  list.replaceChildren(notice("idle", "question", title, h("p", {}, known.unreadable || text)));
  return false;
}

/** [destination, names] of what is chosen, as far as it is shown. */
function chosenLines({ known, state }) {
  return (known.catalogue?.flows ?? []).flatMap((flow) => {
    const chosen = flow.audiences.filter((audience) => state.order.has(flow.id, audience.id));
    if (!chosen.length) return [];
    const names = chosen.slice(0, NAMES_SHOWN + 1).map(({ name }) => name);
    return [[flow.name, names, chosen.length]];
  });
}

function orderPart(view) {
  const { state, known, actions, summary } = view;
  const { why } = known;
  const isBusy = Boolean(state.sending);
  const reason = why.deliver || summary.fault;
  const button = (name, label, sign, extra) =>
    h(
      "button",
      {
        class: `button ${extra}`,
        type: "button",
        disabled: Boolean(reason) || isBusy || (state.isUncertain && name === "check"),
        "aria-describedby": reason ? "why-deliver" : null,
        data: { testid: `deliver-${name}`, key: name },
        onclick: actions[name],
      },
      icon(sign),
      label,
    );
  const quiet = (name, label, sign, act) =>
    h(
      "button.button.small-button",
      {
        type: "button",
        disabled: !state.order.size || state.isUncertain,
        data: { testid: `deliver-${name}`, key: name },
        onclick: act,
      },
      icon(sign),
      label,
    );
  const clear = { type: "button", disabled: state.isUncertain, data: { key: "clear" }, onclick: actions.clear };
  const checking = state.sending === "check";
  const delivering = state.sending === "deliver";
  let word = state.values.dry_run ? "Start dry run" : "Deliver";
  if (state.isUncertain) word = "Try again";
  if (delivering) word = "Starting…";
  return [
    state.order.size > 0 && h("button.link-button", clear, "Clear"),
    state.order.size > 0 && chosenPart(view),
    h(
      "div.buttons",
      {},
      button("check", checking ? "Checking…" : "Check", checking ? "running" : "check", ""),
      button("submit", word, delivering ? "running" : "send", "primary"),
    ),
    reason && h("p.hint", { id: "why-deliver" }, reason),
    h(
      "div.buttons.quiet-buttons",
      {},
      quiet("json", state.copied || "Copy as JSON", state.copied ? "check" : "copy", actions.json),
      quiet("yaml", "Save as campaign", "download", actions.yaml),
    ),
  ];
}

function chosenPart(view) {
  const line = ([flow, names, number]) =>
    h("li", {}, h("strong", {}, flow), h("span.muted", {}, ` ${someOfMany(names, number)}`));
  const lines = chosenLines(view);
  const more = lines.length - LINES_SHOWN;
  return h(
    "ul.chosen",
    { tabindex: "0", "aria-label": "Chosen" },
    lines.slice(0, LINES_SHOWN).map(line),
    more > 0 && h("li", {}, `and ${more} more`),
  );
}

const someOfMany = (names, number) =>
  names.slice(0, NAMES_SHOWN).join(", ") + (number > NAMES_SHOWN ? ` and ${count(number - NAMES_SHOWN)} more` : "");

const CHECKS = {
  running: ["busy", "running"],
  success: ["good", "check"],
  failed: ["bad", "cross"],
};

const WARNED = ["warn", "warning"];

/** What the dry run has found. */
function checkPart(view) {
  const { check } = view.state;
  const [tone, sign] = check.state === "success" && check.warnings.length ? WARNED : CHECKS[check.state];
  const link = inside(airflow.run(check.dagId, check.runId), { data: { key: "check-run" } }, "Open this check's run");
  const list = (title, texts, kind) =>
    texts.length > 0 &&
    h(
      "div",
      { class: `tone-${kind}` },
      h("h3", {}, title),
      h(
        "ul.why",
        {},
        texts.slice(0, LINES_SHOWN).map((text) => h("li", {}, text)),
      ),
    );
  return h(
    "section",
    { class: `card check tone-${tone}`, "aria-label": "Check", tabindex: "-1" },
    h(
      "div.check-head",
      {},
      h("span.badge", {}, icon(sign)),
      h("div", {}, h("h2", {}, check.title), check.text && h("p.muted", {}, check.text)),
    ),
    view.isStale && h("p.banner.tone-warn", {}, icon("warning"), "Your choice has changed since: check again."),
    list(plural(check.faults.length, "fault"), check.faults, "bad"),
    list(plural(check.warnings.length, "warning"), check.warnings, "warn"),
    check.state === "success" && plan(check),
    check.started && h("p", {}, link),
  );
}
