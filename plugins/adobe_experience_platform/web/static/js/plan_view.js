// The plan of a check.

import { h } from "./dom.js";
import { plural } from "./format.js";
import { pairKey } from "./last.js";
import { someOf } from "./parts.js";

const LINES_SHOWN = 50;
const OUTLOOK_HEADS = ["Audience", "Last delivery", "Audience size", "File name"];

/** The jobs of a plan, and what AEP tells of each audience before it is delivered. */
export function plan({ jobs, names, outlook }) {
  const nameOf = new Map(names);
  const name = (id) => nameOf.get(id) ?? id;
  const known = new Map(outlook.map(([flow, audience, ...cells]) => [pairKey(flow, audience), cells]));
  const row = ([flow, audience]) => [name(audience), ...known.get(pairKey(flow, audience))];
  const one = (job, index) => {
    const flows = grouped(job);
    const line = ([flow, pairs]) => {
      const told = pairs.filter((pair) => known.has(pairKey(...pair))).slice(0, LINES_SHOWN);
      const others = pairs.filter((pair) => !told.includes(pair)).map(([, audience]) => name(audience));
      const rest = others.length > 0 && ` ${someOf(others, LINES_SHOWN)}`;
      return h("li", {}, h("strong", {}, name(flow)), told.length > 0 && outlookTable(name(flow), told.map(row)), rest);
    };
    return h(
      "li",
      {},
      h("h3", {}, `Job ${index + 1} of ${jobs.length} `, h("span.count", {}, plural(job.length, "audience"))),
      h("ul", {}, [...flows].map(line)),
    );
  };
  return h(
    "details",
    { open: jobs.length === 1, data: { key: "plan" } },
    h("summary", { data: { key: "plan-summary" } }, "The plan"),
    h("ol.plan", { tabindex: "0", "aria-label": "The plan" }, jobs.slice(0, LINES_SHOWN).map(one)),
  );
}

/** What AEP tells of audiences before they are delivered. */
function outlookTable(flow, rows) {
  const cell = (value, at) =>
    h("td", { data: { label: OUTLOOK_HEADS[at + 1] } }, ["-", "", undefined].includes(value) ? "–" : value);
  const row = ([audience, ...cells]) => h("tr", {}, h("th", { scope: "row" }, audience), cells.slice(0, 3).map(cell));
  const head = (label) => h("th", { scope: "col" }, label);
  return h(
    "table.outlook",
    { "aria-label": flow },
    h("thead", {}, h("tr", {}, OUTLOOK_HEADS.map(head))),
    h("tbody", {}, rows.map(row)),
  );
}

function grouped(pairs) {
  const groups = new Map();
  for (const pair of pairs) groups.set(pair[0], [...(groups.get(pair[0]) ?? []), pair]);
  return groups;
}
