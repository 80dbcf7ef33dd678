// Ways out of the page. Airflow shows it in a sandboxed iframe, where neither target=_blank nor target=_top works.

import { h, icon } from "./dom.js";
import { PLUGIN, ROOT } from "./api.js";

const AEP = "https://experience.adobe.com/";

/** Addresses of Airflow's own pages. */
export const airflow = {
  run: (dagId, runId) => `${ROOT}/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`,
  activation: (dagId, runId) => `${airflow.run(dagId, runId)}/plugin/aep-activation`,
  dag: (dagId) => `${ROOT}/dags/${encodeURIComponent(dagId)}`,
  task: (dagId, runId, taskId, mapIndex = -1) =>
    `${airflow.run(dagId, runId)}/tasks/${encodeURIComponent(taskId)}${mapIndex >= 0 ? `/mapped/${mapIndex}` : ""}`,
  asset: (assetId) => `${ROOT}/assets/${encodeURIComponent(assetId)}`,
  deliver: (run = null) => {
    const from = run && new URLSearchParams({ dag_id: run.dag_id, run_id: run.dag_run_id });
    return `${ROOT}/plugin/aep-deliver${from ? `${ROOT}${PLUGIN}deliver?${from}` : ""}`;
  },
  activations: () => `${ROOT}/plugin/aep-activations`,
  home: () => `${ROOT}/`,
};

/**
 * Address of a destination in AEP, made of the one link that a task of this run has left; null where there is none.
 * @param {unknown} known the XCom `destination_link`
 * @param {string} flowId
 */
export function destinationUrl(known, flowId) {
  if (typeof known !== "string" || !known.startsWith(`${AEP}#/@`) || !flowId) return null;
  const marker = "/platform/destination/browse/";
  const at = known.indexOf(marker);
  return at < 0 ? null : known.slice(0, at + marker.length) + encodeURIComponent(flowId);
}

/** A link inside Airflow: it replaces the whole page, or opens a tab if a person asks the browser for that. */
export function inside(url, attributes, ...children) {
  return h(
    "a",
    {
      href: url,
      ...attributes,
      onclick: (event) => leave(event, url, false),
      onauxclick: (event) => leave(event, url, true),
    },
    ...children,
  );
}

/** A link to another site, in a tab of its own. */
export function outside(url, attributes, ...children) {
  return h(
    "a",
    {
      href: url,
      rel: "noopener noreferrer",
      target: "_blank",
      ...attributes,
      onclick: (event) => leave(event, url, true),
      onauxclick: (event) => leave(event, url, true),
    },
    ...children,
    icon("out"),
    h("span.hidden", {}, " (opens a new tab)"),
  );
}

function leave(event, url, newTab) {
  if (event.type === "auxclick" && event.button !== 1) return;
  if (window.parent === window) return; // on its own, links work as they are
  event.preventDefault();
  goTo(url, newTab || event.ctrlKey || event.metaKey || event.shiftKey);
}

/** Leave for a page inside Airflow: a link of the outer document may do what one in here may not. */
export function goTo(url, newTab = false) {
  const anchor = window.parent.document.createElement("a");
  anchor.href = url;
  if (newTab) anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  anchor.click();
}
