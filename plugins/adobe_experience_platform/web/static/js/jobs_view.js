// How the jobs of a delivery look.

import { h } from "./dom.js";
import { between, clock, duration, full } from "./format.js";
import { deliveriesText } from "./headline.js";
import { airflow, inside } from "./links.js";
import { bar, pill, someOf } from "./parts.js";

const STATES = new Map([
  ["success", ["good", "Submitted"]],
  ["failed", ["bad", "Failed"]],
  ["upstream_failed", ["bad", "Not reached"]],
  ["skipped", ["idle", "Skipped"]],
  ["deferred", ["busy", "Waiting"]],
  ["running", ["busy", "Submitting"]],
  ["queued", ["busy", "Queued"]],
  ["up_for_retry", ["warn", "Will try again"]],
]);

/** The tasks that submit, one for each job. */
export function jobs({ delivery, dagId, runId }) {
  if (!delivery.jobs.length) return null;
  return h(
    "section.card",
    {},
    h("h2", {}, "Jobs ", h("span.count", {}, delivery.jobs.length)),
    h(
      "ul.jobs-list",
      {},
      delivery.jobs.map((job) => item(job, dagId, runId)),
    ),
  );
}

function item({ task, number, of, pairs, counts, flows, state, tries, start, end }, dagId, runId) {
  const [tone, word] = STATES.get(state) ?? ["idle", "To come"];
  const log = airflow.task(dagId, runId, task.task_id, task.map_index);
  const time = () => [
    h("time", { datetime: start, title: full(start) }, clock(start)),
    ` · ${duration(between(start, end ?? new Date().toISOString()))}`,
  ];
  return h(
    "li.job",
    {},
    h(
      "div.job-head",
      {},
      h("strong", {}, number ? `Job ${number} of ${of || number}` : task.task_display_name),
      pill(tone, word),
    ),
    h("p.job-text", {}, `${deliveriesText(pairs)} · ${someOf(flows)}`),
    pairs > 0 && bar(counts, pairs, true),
    h(
      "p.job-text.muted",
      {},
      start && time(),
      tries > 1 && ` · try ${tries}`,
      start && " · ",
      inside(log, { data: { key: `job-${task.task_id}-${task.map_index}` } }, "Task log"),
    ),
  );
}
