// What went wrong when something was to be started, in words: {tone, text, run?, act?}.

import { ApiError } from "./api.js";
import { airflow } from "./links.js";
import { refusalOf, UncertainError } from "./start.js";

const OBSTACLES = {
  paused: "is paused: what you start would wait for ever, so nothing is started.",
  broken: "has an import error, so nothing is started. Tell whoever looks after Airflow.",
  gone: "is no longer in the DAGs folder, so nothing is started.",
};
const UNCERTAIN =
  "Airflow does not answer, so it is not known whether the delivery was started. " +
  "Try again: it is the same run, and cannot start twice.";
const SESSION = "Your session has ended. Log in to Airflow in another tab, then press again: your choice stays here.";

/** Why a DAG would not start what it is given. */
export function obstacleOf(obstacle, dagId) {
  const act = obstacle === "paused" ? { name: "unpause", value: dagId, label: "Resume it" } : null;
  return { tone: "warn", text: `The DAG ${dagId} ${OBSTACLES[obstacle]}`, act };
}

/** @param {string} [forbidden] what to say where a right is missing */
export function faultMessage(error, forbidden = "Airflow does not let you do this. Nothing was started.") {
  const isEnded = error.status === 401 || error.cause?.status === 401;
  const login = isEnded && { url: airflow.home(), label: "Log in", newTab: true };
  if (error instanceof UncertainError) return { tone: "bad", text: UNCERTAIN, run: login };
  if (isEnded) return { tone: "warn", text: SESSION, run: login };
  if (error.status === 403) return { tone: "bad", text: forbidden };
  if (error.status === 404) return { tone: "bad", text: "Airflow no longer has this. Nothing was started." };
  if (error.status >= 400 && error.status < 500) {
    return { tone: "bad", text: `Airflow refused: ${refusalOf(error)}. Nothing was started.` };
  }
  if (error instanceof ApiError) return { tone: "bad", text: "Airflow does not answer. Try again in a moment." };
  console.error(error);
  return { tone: "bad", text: "This page met a fault of its own: reload it." };
}
