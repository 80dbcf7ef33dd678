// Statuses of a pair's delivery, and how they are shown.

/** Status → how it is shown; the order is that of the bar. */
export const STATUSES = Object.freeze({
  success: { label: "Delivered", tone: "good", icon: "check" },
  partial_success: { label: "Partly delivered", tone: "warn", icon: "warning" },
  in_progress: { label: "Running in AEP", tone: "busy", icon: "running" },
  submitted: { label: "Submitted", tone: "busy", icon: "running" },
  planned: { label: "Not sent yet", tone: "idle", icon: "clock" },
  checked: { label: "Checked, not sent", tone: "idle", icon: "check" },
  unknown: { label: "Unknown", tone: "warn", icon: "question" },
  not_sent: { label: "Not sent", tone: "bad", icon: "cross" },
  failed: { label: "Failed", tone: "bad", icon: "cross" },
});
export const PROBLEMS = new Set(["failed", "not_sent", "unknown", "partial_success"]);
export const DELIVERED = new Set(["success", "partial_success"]);

/** A status that this page does not know says nothing for certain. */
export const knownStatus = (status) => (Object.hasOwn(STATUSES, status) ? status : "unknown");

/** How many pairs have each status. */
export function tally(pairs) {
  const counts = Object.fromEntries(Object.keys(STATUSES).map((status) => [status, 0]));
  for (const pair of pairs) counts[pair.status] += 1;
  return counts;
}
