// What a person has chosen, and the conf of a run that it becomes. No requests, no page.

import { plural } from "./format.js";
import { asList } from "./xcom.js";

/** Adobe's and our own limits, as in delivery/jobs.py and delivery/input.py. */
export const MOST_PER_JOB = 80;
export const MOST_PER_RUN = 5000;

/** The chosen audiences: flow id → ids. */
export class Order {
  constructor() {
    this.flows = new Map();
  }

  has(flow, audience) {
    return this.flows.get(flow)?.has(audience) ?? false;
  }

  set(flow, audience, isChosen) {
    if (isChosen) {
      if (!this.flows.has(flow)) this.flows.set(flow, new Set());
      this.flows.get(flow).add(audience);
    } else {
      this.flows.get(flow)?.delete(audience);
      if (!this.flows.get(flow)?.size) this.flows.delete(flow);
    }
  }

  /** How many of a flow are chosen. */
  of(flow) {
    return this.flows.get(flow)?.size ?? 0;
  }

  get size() {
    let sum = 0;
    for (const audiences of this.flows.values()) sum += audiences.size;
    return sum;
  }

  /** Leave out what a catalogue does not offer; return how many that are. */
  keep(flows) {
    const before = this.size;
    const offered = new Map(
      flows.map(({ id, audiences }) => [id, new Set(audiences.filter(({ ready }) => ready).map((item) => item.id))]),
    );
    for (const [flow, audiences] of [...this.flows]) {
      for (const audience of [...audiences]) if (!offered.get(flow)?.has(audience)) this.set(flow, audience, false);
    }
    return before - this.size;
  }

  /** {flow id: [audience id]}, as the DAG takes it. */
  get info() {
    return Object.fromEntries([...this.flows].map(([flow, audiences]) => [flow, [...audiences]]));
  }

  /**
   * The jobs as `delivery/jobs.py` splits them: all pairs of one audience in one job.
   * @returns {[string, string][][] | null} null if one audience alone has more pairs than a job takes
   */
  jobs(limit) {
    const groups = new Map();
    for (const [flow, audiences] of this.flows) {
      for (const audience of audiences) {
        if (!groups.has(audience)) groups.set(audience, []);
        groups.get(audience).push([flow, audience]);
      }
    }
    const jobs = [];
    for (const group of [...groups.values()].sort((a, b) => b.length - a.length)) {
      if (group.length > limit) return null;
      const job = jobs.find((item) => item.length + group.length <= limit);
      if (job) job.push(...group);
      else jobs.push([...group]);
    }
    return jobs;
  }
}

/** "5 audiences to 2 destinations, 1 job"; an audience counts once for each destination. */
export function summaryOf(order, limit) {
  const jobs = order.size <= MOST_PER_RUN && order.jobs(limit);
  const parts = `${plural(order.size, "audience")} to ${plural(order.flows.size, "destination")}`;
  return jobs ? `${parts}, ${plural(jobs.length, "job")}` : parts;
}

/** Why an order cannot be delivered as it is; "" if it can. */
export function faultOf(order, limit) {
  if (!order.size) return "Choose at least one audience.";
  if (order.size > MOST_PER_RUN) return `One run takes ${plural(MOST_PER_RUN, "audience")}: choose fewer.`;
  return order.jobs(limit) ? "" : `One audience goes to more destinations than a job takes (${limit}): choose fewer.`;
}

/** The conf of a run: settings that have their default stay out of it. */
export const confOf = (order, settings) => ({ activation_info: order.info, ...settings });

/**
 * What a run's conf chooses of what there is. It may hold ids or names: an id wins, a name has to be the only one.
 * @param {unknown} info the conf's `activation_info`
 * @param {object[]} flows the catalogue
 * @returns {{order: Order, missing: {flow: string, audience: string, why: string}[]}}
 */
export function matched(info, flows) {
  const [order, missing] = [new Order(), []];
  for (const [key, entries] of Object.entries(info)) {
    const audiences = asList(entries).map((entry) => (typeof entry === "string" ? entry : JSON.stringify(entry)));
    const [flow, noFlow] = find(key, flows);
    if (!flow) missing.push({ flow: key, audience: audiences.join(", "), why: noFlow });
    else if (!audiences.length) missing.push({ flow: flow.name, audience: "", why: "has no list of audiences" });
    for (const entry of flow ? audiences : []) {
      const [audience, noAudience] = find(entry, flow.audiences);
      if (audience?.ready) order.set(flow.id, audience.id, true);
      else missing.push({ flow: flow.name, audience: audience?.name ?? entry, why: audience?.reason || noAudience });
    }
  }
  return { order, missing };
}

function find(key, items) {
  const byId = items.find((item) => item.id === key);
  if (byId) return [byId, ""];
  const line = oneLine(key);
  const byName = items.filter((item) => item.name === key || item.name === line);
  if (byName.length === 1) return [byName[0], ""];
  return [null, byName.length ? `${byName.length} have this name: choose one below` : "no longer exists"];
}

const oneLine = (value) => value.replace(/\s+/g, " ").trim();
