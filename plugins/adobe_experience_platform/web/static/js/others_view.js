// How deliveries look that were not started here.

import { h, icon } from "./dom.js";
import { writtenText } from "./figures.js";
import { clock, count, duration, full, plural, when } from "./format.js";
import { airflow, inside } from "./links.js";
import { notice, pill, someOf } from "./parts.js";
import { STATUSES } from "./statuses.js";

const NOT_HERE =
  "None of the deliveries on this page has started it: AEP's schedule has, somebody in AEP's UI, another tool, or a " +
  "DAG that is not listed here.";
const UNSURE = "You may not read the results (XComs) of a run that may have started it.";
const NO_RIGHT =
  "Airflow does not give you the right to read assets. Ask whoever manages roles in your Airflow. Deliveries that were " +
  "started here are shown all the same.";
const TO_WATCH =
  "Airflow only hears of deliveries by AEP's schedule, its UI or other tools if it watches the destination. For each " +
  "one, schedule a DAG on its asset:";
const EXAMPLE = `from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from adobe_experience_platform import flow_run_asset

with DAG("partner_got_a_file", schedule=flow_run_asset("<flow id>")):
    EmptyOperator(task_id="noted")`;

/** The cells of a delivery's row, the first one being its head. */
export function cells({ asset, status, start_date: start, end_date: end, ...delivery }, names) {
  const { result, audiences, isUnsure } = delivery;
  const named = (id) => names.get(id) ?? id;
  const link = { class: "name", title: asset.name, data: { key: `asset-${delivery.event}` } };
  const more = result.pairs - audiences.length;
  const tag = { class: "tag", title: isUnsure ? UNSURE : NOT_HERE };
  const [{ flow }] = result.flows;
  const size = writtenText(result);
  return {
    head: [
      inside(airflow.asset(asset.id), link, named(flow)),
      " ",
      h("span", tag, icon("out"), isUnsure ? "Perhaps not started here" : "Not started here"),
      h(
        "p.muted.small",
        {},
        audiences.length ? someOf(audiences.map(named), 3, more) : "AEP does not name the audiences",
      ),
      result.problem && h("p.error", { class: `error ${status === "failed" ? "bad" : "warn"}` }, result.problem),
    ],
    state: [
      status === "success" ? pill("good", "Succeeded") : pill(STATUSES[status].tone, STATUSES[status].label),
      result.lossy > 0 && h("span.note.warn", {}, "lost records"),
      result.doubtful && h("span.note.warn", { title: result.doubtful }, "records may be missing"),
    ],
    started: [
      start ? h("time", { datetime: start, title: full(start) }, when(start)) : "–",
      end && h("p.muted.small", { title: full(end) }, `ended ${start ? clock(end) : when(end)}`),
    ],
    deliveries: result.pairs ? count(result.pairs) : "–",
    records: [count(result.records), size && h("p.muted.small", {}, size)],
    duration: duration(delivery.duration),
  };
}

/** Why there are none. */
export function nothing({ toldRefused, watched }) {
  if (toldRefused === 403) return notice("warn", "warning", "You may not see these", [h("p", {}, NO_RIGHT)]);
  if (watched) {
    const said = "They only hear of what ends after their DAGs were switched on.";
    const text = `Airflow watches for deliveries with ${plural(watched, "asset")}. ${said}`;
    return notice("idle", "calendar", "No deliveries of others in this period", [h("p", {}, text)]);
  }
  const title = "Nothing watches for deliveries of others";
  return notice("idle", "calendar", title, [h("p", {}, TO_WATCH), h("pre.code", { tabindex: "0" }, EXAMPLE)]);
}
