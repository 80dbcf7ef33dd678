// What a person has chosen as a campaign file (include/campaigns/): by names, so that it reads like a sentence and fits
// every sandbox; by ids where a name would not say which one is meant. No requests, no page.

/** Limits of campaigns/marked_yaml.py, delivery/input.py and delivery/values.py. */
const MOST_BYTES = 500000;
const LONGEST_NAME = 255;
const LONGEST_LABEL = 250;
const LINE_WIDTH = 100;
/** What operators/catalog.py writes where AEP has no name. */
const NAMELESS = "(no name)";
/** Settings that a campaign file has under keys of its own; all others but `dry_run` are policies. */
const KEYS = { aep_conn_id: "connection", sandbox_name: "sandbox", api_version: "api_version" };
const WHY_IDS = "# Ids are used where a name would not work; other sandboxes have other ids.";
/** Text that every reader of YAML takes for text without quotes, also within a list in brackets. */
const PLAIN = /^\p{L}[\p{L}\p{M}\p{N} _./&+()'-]*$/u;
const WORD_OF_YAML = /^(true|false|yes|no|on|off|y|n|null)$/i;

/** A campaign file that delivers an order when somebody starts it. */
export function campaignOf(order, flows, settings) {
  const file = fileOf(order, flows, settings, true);
  // A file of ids alone is small enough for what reads it.
  return new TextEncoder().encode(file).length > MOST_BYTES ? fileOf(order, flows, settings, false) : file;
}

function fileOf(order, flows, settings, isByName) {
  const mark = isByName ? clear : (items) => items.map((item) => ({ ...item, isClear: false, name: "" }));
  const chosen = mark(flows)
    .filter(({ id }) => order.of(id))
    .map((flow) => ({ ...flow, audiences: mark(flow.audiences).filter(({ id }) => order.has(flow.id, id)) }));
  const hasIds = chosen.flatMap((flow) => [flow, ...flow.audiences]).some(({ isClear }) => !isClear);
  const given = Object.entries(settings).filter(([name]) => name !== "dry_run");
  const policies = given.filter(([name]) => !Object.hasOwn(KEYS, name));
  const lines = [
    "# yaml-language-server: $schema=schema.json",
    `title: ${label(flows.filter(({ id }) => order.of(id)).map(({ name }) => name))}`,
    "when: manual",
    hasIds && WHY_IDS,
    "deliver:",
    ...chosen.flatMap(destination),
    ...given.filter(([name]) => Object.hasOwn(KEYS, name)).map(([name, value]) => `${KEYS[name]}: ${scalar(value)}`),
    settings.size_guard?.on_breach === "ask" && "approval: true",
    policies.length > 0 && "policies:",
    ...policies.map(([name, value]) => `  ${name}: ${scalar(value)}`),
  ];
  return `${lines.filter(Boolean).join("\n")}\n`;
}

/** Mark what its name finds: the only one of this name, and no other's id; as `unambiguous` of delivery/names.py. */
function clear(items) {
  const often = new Map();
  for (const { name } of items) often.set(name, (often.get(name) ?? 0) + 1);
  const ids = new Set(items.map(({ id }) => id));
  return items.map((item) => {
    const name = item.name === NAMELESS || item.name === item.id ? "" : item.name;
    return { ...item, name, isClear: often.get(name) === 1 && !ids.has(name) && isWritable(name) };
  });
}

/** Whether a campaign file takes a name: one line as the list shows it, and nothing that looks like a template. */
const isWritable = (name) =>
  name === oneLine(name) && [...name].length <= LONGEST_NAME && !/[\p{C}\p{Zl}\p{Zp}]|\{[{%#]/u.test(name);

function destination({ id, name, isClear, audiences }) {
  const lines = [`  - flow: ${isClear ? scalar(name) : quoted(id)}`];
  if (!isClear && name) lines.push(`    label: ${label([name])}`);
  const texts = audiences.map((audience) => (audience.isClear ? scalar(audience.name) : quoted(audience.id)));
  const line = `    audiences: [${texts.join(", ")}]`;
  if (audiences.some((audience) => audience.name && !audience.isClear)) {
    const labels = audiences.map((audience) =>
      audience.isClear || !audience.name ? "" : ` ${label([audience.name])}`,
    );
    lines.push("    audiences:", ...texts.map((text, at) => `      ${text}:${labels[at]}`));
  } else if (line.length <= LINE_WIDTH) {
    lines.push(line);
  } else {
    lines.push("    audiences:", ...texts.map((text) => `      - ${text}`));
  }
  return lines;
}

const oneLine = (value) => value.replace(/\s+/g, " ").trim();

/** Names as one line for people, as the file takes it. */
function label(names) {
  const line = oneLine(names.join(", ").replace(/\p{C}/gu, " ")).replace(/::(?=(end)?group)/gi, ": :");
  return scalar([...line].slice(0, LONGEST_LABEL).join("").trim() || "-");
}

function scalar(value) {
  const isPlain = typeof value === "string" && PLAIN.test(value) && !WORD_OF_YAML.test(value);
  return isPlain ? value : quoted(value);
}

/** A value as YAML: JSON is, except for signs that YAML does not take as they are. */
function quoted(value) {
  const escaped = (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped);
}
