// The stages of a delivery: what its tasks do at the moment, and did. No requests, no page.

export const ENDED = new Set(["success", "failed", "upstream_failed", "skipped", "removed"]);
export const FAILED = new Set(["failed", "upstream_failed"]);
/** States of tasks that are being worked on, or wait for something. */
const BUSY = ["running", "deferred", "queued", "up_for_retry", "awaiting_input", "restarting", "up_for_reschedule"];
export const ACTIVE = new Set([...BUSY, "scheduled"]);

const STAGES = [
  {
    id: "plan",
    label: "Checked",
    parts: ["plan"],
    hint: "Input and destinations are checked, nothing is sent",
  },
  { id: "approve", label: "Approved", parts: ["approve"], hint: "A person approves the plan" },
  {
    id: "export",
    label: "Export is free",
    parts: ["export", "snapshot"],
    hint: "AEP must not be exporting; the newest snapshot is delivered",
  },
  { id: "submit", label: "Submitted", parts: ["activate"], hint: "The jobs are sent to AEP, exactly once" },
  { id: "deliver", label: "Delivered", parts: ["watch"], hint: "AEP writes the files" },
  { id: "report", label: "Reported", parts: ["report"], hint: "The result is kept" },
];

/**
 * Return the stages that a delivery has, in their order.
 * @param {(part: string) => object[]} tasksOf the tasks of a part
 * @param {{skipsRest: boolean, over: boolean, reported: boolean}} known `skipsRest`: the plan ended the run by itself
 */
export function stagesOf(tasksOf, { skipsRest, over, reported }) {
  return STAGES.flatMap(({ id, label, parts, hint }) => {
    const tasks = parts.flatMap(tasksOf);
    if (!tasks.length) return [];
    let state = stateOf(tasks, skipsRest && id !== "plan", over);
    // The report is red whenever the delivery is; its own work is done all the same.
    if (id === "report" && state === "failed" && reported) state = "done";
    const times = (name) =>
      tasks
        .map((task) => task[name])
        .filter(Boolean)
        .sort();
    const ended = state === "done" || state === "failed";
    return [
      {
        id,
        label,
        hint,
        state,
        start: times("start_date")[0] ?? null,
        end: (ended && times("end_date").at(-1)) || null,
      },
    ];
  });
}

function stateOf(tasks, skipped, over) {
  const states = tasks.map((task) => task.state);
  if (states.includes("failed")) return "failed";
  if (skipped || states.every((state) => state === "skipped")) return "skipped";
  if (states.includes("upstream_failed")) return "unreached";
  if (states.some((state) => BUSY.includes(state))) return "active";
  if (states.every((state) => state === "success" || state === "skipped")) return "done";
  if (states.some((state) => state === "success" || state === "scheduled")) return "active";
  return over ? "unreached" : "pending";
}
