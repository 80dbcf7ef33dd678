// The list of destinations with their audiences. All destinations are in the page; the audiences of a large catalogue
// only while they are near what is in sight.

import { found } from "./catalogue.js";
import { h } from "./dom.js";
import { count, full, plural, when } from "./format.js";
import { pairKey } from "./last.js";
import { pill } from "./parts.js";

/** So many audiences are all in the page at once. */
const ALL_AT_ONCE = 200;
const ROW_HEIGHT = 37;
const NEAR = "800px";

/**
 * @param {Element} place where the list stands
 * @param {Map<string, object>} last when audiences were last delivered, see last.js; it fills up
 * @param {(flow: string, audiences: string[], isChosen: boolean) => void} choose a person has chosen
 */
export class ChoicesList {
  constructor(place, last, choose) {
    this.place = place;
    this.choose = choose;
    this.flows = [];
    this.sections = [];
    this.last = last;
    this.none = h("p.card.muted", { hidden: true, role: "status" }, "Nothing has all these words in its name.");
    place.addEventListener("change", (event) => this.changed(event.target));
    this.watcher = new IntersectionObserver((entries) => entries.forEach((entry) => this.sight(entry)), {
      rootMargin: `${NEAR} 0px`,
    });
  }

  /** Show another catalogue. */
  setFlows(flows) {
    this.watcher.disconnect();
    this.flows = flows;
    markTwins(flows);
    for (const { audiences } of flows) markTwins(audiences);
    this.sections = flows.map(section);
    this.place.replaceChildren(this.none, ...this.sections.map(({ element }) => element));
  }

  /** Show what fits a search, and what is chosen. */
  show(search, order) {
    this.order = order;
    const fitting = found(this.flows, search);
    const shown = fitting.reduce((sum, audiences) => sum + audiences.length, 0);
    this.isLazy = shown > ALL_AT_ONCE;
    this.isSearching = search.trim() !== "";
    this.none.hidden = shown > 0 || !this.isSearching;
    this.watcher.disconnect();
    this.sections.forEach((item, index) => {
      item.audiences = fitting[index];
      item.element.hidden = this.isSearching && !item.audiences.length;
      if (this.isLazy) this.empty(item);
      else this.fill(item);
      this.head(item);
    });
    if (!this.isLazy) return;
    for (const item of this.sections) if (!item.element.hidden) this.watcher.observe(item.element);
  }

  /** What is chosen has changed elsewhere. */
  mark(order) {
    this.order = order;
    for (const item of this.sections) this.markOne(item);
  }

  /** It became known when audiences were last delivered. */
  tell() {
    for (const item of this.sections) {
      for (const row of item.list.children) row.lastDelivery.replaceChildren(...this.lastOf(item.flow, row.audience));
    }
  }

  sight({ target, isIntersecting }) {
    const item = this.sections.find(({ element }) => element === target);
    if (!item) return; // of the list before
    if (isIntersecting) this.fill(item);
    else if (!target.contains(document.activeElement)) this.empty(item);
  }

  fill(item) {
    if (item.shown === item.audiences) return;
    item.shown = item.audiences;
    item.list.style.removeProperty("min-height");
    item.list.replaceChildren(...item.audiences.map((audience) => this.row(item.flow, audience)));
  }

  /** Keep the room of what is taken out, so that the page does not jump. */
  empty(item) {
    const height = item.shown === item.audiences && item.list.offsetHeight;
    item.list.style.minHeight = `${height || item.audiences.length * ROW_HEIGHT}px`;
    item.list.replaceChildren();
    item.shown = null;
  }

  row(flow, audience) {
    const isChosen = this.order.has(flow.id, audience.id);
    const box = h("input", {
      type: "checkbox",
      checked: isChosen,
      disabled: !audience.ready,
      data: { testid: "deliver-audience", flowId: flow.id, audienceId: audience.id },
    });
    const last = h("span.last", {}, this.lastOf(flow, audience));
    const element = h(
      "li",
      { class: audience.ready ? "choice" : "choice off" },
      h(
        "label",
        { title: audience.id },
        box,
        h("span.name", {}, audience.name, audience.isTwice && [" ", h("code.id", {}, audience.id)]),
      ),
      h("span.schedule", {}, audience.schedule),
      last,
      audience.ready ? pill("good", "Ready") : h("span.reason", {}, pill("warn", "Not now"), audience.reason),
    );
    return Object.assign(element, { audience, lastDelivery: last, box });
  }

  lastOf(flow, audience) {
    const last = this.last.get(pairKey(flow.id, audience.id));
    if (!last) return [];
    const time = h("time", { datetime: last.at, title: full(last.at) }, when(last.at));
    return last.records === null ? ["delivered ", time] : ["delivered ", time, ` · ${plural(last.records, "record")}`];
  }

  markOne(item) {
    for (const row of item.list.children) row.box.checked = this.order.has(item.flow.id, row.audience.id);
    this.head(item);
  }

  /** The head of a destination: its box stands for all that can be chosen of what is shown. */
  head({ flow, audiences, all, number, label }) {
    const ready = audiences.filter((audience) => audience.ready);
    const chosen = ready.filter((audience) => this.order.has(flow.id, audience.id)).length;
    all.disabled = !ready.length;
    all.checked = chosen > 0 && chosen === ready.length;
    all.indeterminate = chosen > 0 && chosen < ready.length;
    const which = this.isSearching ? "found" : "ready";
    label.textContent = `All ${count(ready.length)} ${which} audiences of ${flow.name}`;
    const sum = this.order.of(flow.id);
    const shown = this.isSearching ? `${count(audiences.length)} of ${count(flow.audiences.length)} found` : "";
    const of = shown || plural(audiences.length, "audience");
    number.textContent = sum ? `${count(sum)} chosen · ${of}` : of;
  }

  changed(box) {
    const { flowId, audienceId } = box.dataset;
    const item = this.sections.find(({ flow }) => flow.id === flowId);
    if (audienceId) {
      this.choose(flowId, [audienceId], box.checked);
    } else {
      const ready = item.audiences.filter((audience) => audience.ready);
      this.choose(
        flowId,
        ready.map(({ id }) => id),
        box.checked,
      );
    }
    this.markOne(item);
  }
}

/** What has the same name needs its id to be told apart. */
function markTwins(items) {
  const often = new Map();
  for (const { name } of items) often.set(name, (often.get(name) ?? 0) + 1);
  for (const item of items) item.isTwice = often.get(item.name) > 1;
}

function section(flow) {
  const label = h("span.hidden");
  const all = h("input", { type: "checkbox", data: { flowId: flow.id } });
  const number = h("span.muted.number");
  const list = h("ul.choices");
  const isOn = !flow.state || flow.state.toLowerCase() === "enabled";
  const hasRun = flow.lastRun && flow.lastRun !== "never";
  const element = h(
    "section.card.destination",
    { "aria-label": flow.name, data: { testid: "deliver-flow", flowId: flow.id } },
    h(
      "div.destination-head",
      {},
      h("label.all", {}, all, label),
      h("h2", { title: flow.id }, flow.name),
      flow.isTwice && h("code.id", {}, flow.id),
      !isOn && pill("warn", flow.state),
      h("span.muted.small", {}, hasRun ? `last run: ${flow.lastRun}` : "never run"),
      number,
    ),
    flow.audiences.length ? list : h("p.muted", {}, "No audience is mapped to this destination."),
  );
  return { flow, element, list, all, number, label, audiences: flow.audiences, shown: null };
}
