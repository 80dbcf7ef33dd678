// Numbers and times as people read them, in their language and in the time zone that they chose in Airflow.

const number = new Intl.NumberFormat();
const compactNumber = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value === null || value === undefined ? "–" : number.format(value));
export const compact = (value) => (Math.abs(value) < 10000 ? number.format(value) : compactNumber.format(value));

/** "1 audience", "2 audiences". */
export function plural(value, one, many = `${one}s`) {
  return `${number.format(value)} ${value === 1 ? one : many}`;
}

/** The zone of Airflow's own pages: what a person chose there, else the browser's. */
export function timeZone() {
  try {
    const chosen = JSON.parse(localStorage.getItem("timezone") ?? "null");
    if (typeof chosen !== "string" || chosen === "local") return undefined;
    return new Intl.DateTimeFormat(undefined, { timeZone: chosen }).resolvedOptions().timeZone && chosen;
  } catch {
    return undefined; // storage is off, or what it holds has another form
  }
}

const tenth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** "999 B", "855.2 MB": in powers of 1,000. */
export function size(bytes) {
  if (bytes < 1000) return `${number.format(bytes)} B`;
  const units = ["kB", "MB", "GB", "TB", "PB", "EB"];
  let value = bytes / 1000;
  while (value >= 999.95 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${tenth.format(value)} ${units[0]}`;
}

const zone = timeZone();
const dateTime = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
  timeZone: zone,
});
const shortTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", timeZone: zone });
const shortDate = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  timeZone: zone,
});
const dayOnly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: zone });
const dayParts = new Intl.DateTimeFormat("en-CA", {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  timeZone: zone,
});

export const full = (time) => (time ? `${dateTime.format(new Date(time))}${zone ? ` ${zone}` : ""}` : "");
export const clock = (time) => (time ? shortTime.format(new Date(time)) : "");
export const day = (time) => dayOnly.format(new Date(time));
/** The day as YYYY-MM-DD, for sorting and for grouping. */
export const dayKey = (time) => dayParts.format(new Date(time));

/** The time of today, else the day too. */
export function when(time, now = Date.now()) {
  if (!time) return "–";
  return dayKey(time) === dayKey(now) ? clock(time) : shortDate.format(new Date(time));
}

/** "45 s", "6 min 40 s", "2 h 5 min", "3 d 4 h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 60) return rest && minutes < 10 ? `${minutes} min ${rest} s` : `${minutes} min`;
  const [hours, left] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return left ? `${hours} h ${left} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** Seconds between two times, null if one is missing. */
export function between(start, end) {
  if (!start || !end) return null;
  const seconds = (new Date(end) - new Date(start)) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
