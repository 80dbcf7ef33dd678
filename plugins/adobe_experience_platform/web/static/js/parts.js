// Small pieces that both pages are made of.

import { h, icon } from "./dom.js";
import { count } from "./format.js";
import { airflow, inside } from "./links.js";
import { STATUSES } from "./statuses.js";

/** A state in a word, with a sign beside its colour. */
export function pill(tone, label, sign = null) {
  const signs = { good: "check", bad: "cross", warn: "warning", busy: "running", idle: "dot" };
  return h("span", { class: `pill tone-${tone}` }, icon(sign ?? signs[tone]), label);
}

/** "Mail, Shop, North and 2 more". */
export function someOf(names, most = 3, untold = 0) {
  const more = Math.max(0, names.length - most) + untold;
  return names.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Shares of the statuses of all pairs as one bar; its text says the same. */
export function bar(counts, total, small = false) {
  const parts = Object.entries(STATUSES).filter(([status]) => counts[status] > 0);
  const text = parts.map(([status, { label }]) => `${count(counts[status])} ${label.toLowerCase()}`).join(", ");
  const classOf = (kind, status, tone) => `${kind} share-${tone} share-${status}`;
  const share = ([status, { tone }]) =>
    h("span", { class: classOf("share", status, tone), style: { "--share": counts[status] } });
  const legend = ([status, { label, tone }]) =>
    h(
      "li",
      {},
      h("span", { class: classOf("dot", status, tone) }),
      `${label} `,
      h("strong", {}, count(counts[status])),
    );
  return h(
    "div",
    { class: small ? "bar-box small" : "bar-box" },
    h("div.bar", { role: "img", "aria-label": `Of ${count(total)}: ${text}` }, parts.map(share)),
    !small && h("ul.legend", { "aria-hidden": "true" }, parts.map(legend)),
  );
}

/** A page that has nothing to show says why. */
export function notice(tone, sign, title, body) {
  const attributes = { class: `card notice tone-${tone}`, role: tone === "bad" ? "alert" : "status" };
  return h("section", attributes, h("span.badge", {}, icon(sign)), h("h1", {}, title), body);
}

/** What a refusal or a fault means, and what to do. */
export function problemOf(error, { retry, what, gone = "This run does not exist", isPolled = true }) {
  if (error.status === 401) {
    const login = inside(airflow.home(), { class: "button" }, "Log in");
    return notice("warn", "person", "Your session has ended", [
      h("p", {}, "Log in to Airflow again, then come back."),
      login,
    ]);
  }
  if (error.status === 403) {
    const text = `Airflow does not give you the right to read ${what}. Ask whoever manages roles in your Airflow.`;
    return notice("warn", "warning", "You may not see this", [h("p", {}, text)]);
  }
  if (error.status === 404) {
    const text = error.message || `Airflow does not know ${what}. Was it deleted?`;
    return notice("idle", "question", gone, [h("p", {}, text)]);
  }
  const detail = error.status ? `Airflow answered ${error.status}.` : "Airflow does not answer.";
  return notice("bad", "warning", "This could not be loaded", [
    h("p", {}, `${detail}${isPolled ? " The delivery itself is not touched by this page. It is tried again." : ""}`),
    error.status > 0 && error.message && h("p.muted", {}, error.message),
    retry && h("button.button", { type: "button", data: { key: "retry" }, onclick: retry }, "Try again"),
  ]);
}
