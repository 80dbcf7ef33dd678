// The settings of a delivery as a form: names, texts, limits and defaults are those of the DAG's params.

import { h } from "./dom.js";
import { asList, isObject, text } from "./xcom.js";

/** What matters to most; the rest is folded away. */
const MAIN = ["dry_run", "on_conflict", "on_partial_success", "on_failed_records", "max_export_age_hours"];
const NOT_HERE = "activation_info";

/** The params of a DAG's details: [{name, value, title, description, kinds, choices, schema}]. */
export function settingsOf(details) {
  const params = Object.entries(details.params ?? {}).filter(([name]) => name !== NOT_HERE);
  return params.map(([name, { value, schema = {}, description }]) => settingOf(name, value, schema, description));
}

function settingOf(name, value, schema, description = "") {
  return {
    name,
    value: value ?? null,
    title: text(schema.title) || name,
    description: text(description) || text(schema.description),
    kinds: [schema.type].flat(),
    choices: asList(schema.enum),
    shown: schema.values_display ?? {},
    schema,
  };
}

/** The values of a block: [[key, setting]]. */
const partsOf = ({ name, schema }) =>
  Object.entries(schema.properties ?? {}).map(([key, part]) => [key, settingOf(`${name}.${key}`, part.default, part)]);

/** Only what differs from its default, in the order of the form. */
export function given(settings, values) {
  const own = settings.filter(({ name, value }) => Object.hasOwn(values, name) && values[name] !== value);
  return Object.fromEntries(own.map(({ name }) => [name, values[name]]));
}

/** Which of an earlier run's values, which may be anything, the settings take: {values, refused: titles}. */
export function accepted(settings, own) {
  const found = settings.filter(({ name }) => Object.hasOwn(own, name));
  const [sound, odd] = [true, false].map((is) => found.filter((setting) => accepts(setting, own[setting.name]) === is));
  return {
    values: Object.fromEntries(sound.map(({ name }) => [name, own[name]])),
    refused: odd.map(({ title }) => title),
  };
}

function accepts(setting, value) {
  const { kinds, choices, schema } = setting;
  if (value === null) return kinds.includes("null");
  if (isObject(value)) {
    const parts = new Map(partsOf(setting));
    return Object.entries(value).every(([key, own]) => parts.has(key) && accepts(parts.get(key), own));
  }
  if (choices.length) return choices.includes(value);
  if (Array.isArray(value)) return false;
  if (typeof value !== "number") return kinds.includes(typeof value);
  const isWhole = kinds.includes("integer") && Number.isInteger(value);
  return (isWhole || kinds.includes("number")) && !(value < schema.minimum || value > schema.maximum);
}

/**
 * The form.
 * @param {object[]} settings of `settingsOf`
 * @param {object} values what is chosen, by name; what is left out has its default
 * @param {(name: string, value: any, fault: string) => void} set
 */
export function form(settings, values, set) {
  const field = (setting) =>
    fieldOf(setting, Object.hasOwn(values, setting.name) ? values[setting.name] : setting.value, set);
  const isMain = ({ name }) => MAIN.includes(name);
  const rest = settings.filter((setting) => !isMain(setting));
  return [
    h("div.fields", {}, settings.filter(isMain).map(field)),
    rest.length > 0 &&
      h(
        "details.more-options",
        { data: { key: "more-options" } },
        h("summary", { data: { key: "more-options-summary" } }, "More options"),
        h("div.fields", {}, rest.map(field)),
      ),
  ];
}

function fieldOf(setting, value, set) {
  const { name, title, description } = setting;
  if (setting.kinds.includes("object")) return block(setting, value, set);
  const hint = description && h("p.hint", { id: `hint-${name}` }, description);
  const attributes = { name, "aria-describedby": hint ? `hint-${name}` : null, data: { key: `option-${name}` } };
  if (setting.kinds.includes("boolean")) {
    const onchange = (event) => set(name, event.target.checked, "");
    const box = h("input", { ...attributes, type: "checkbox", checked: value === true, onchange });
    return h("div.option", {}, h("label.check", {}, box, h("span", {}, title)), hint);
  }
  const control = setting.choices.length
    ? choice(setting, value, attributes, set)
    : input(setting, value, attributes, set);
  return h("div.option", {}, h("label.field", {}, h("span", {}, title), control), hint);
}

/** A block of values: an object of what differs from its default, null if nothing does. */
function block(setting, value, set) {
  const { name, title } = setting;
  const own = { ...value };
  const faults = new Map();
  const field = ([key, part]) =>
    fieldOf(part, Object.hasOwn(own, key) ? own[key] : part.value, (_, entered, fault) => {
      if (entered === part.value) delete own[key];
      else own[key] = entered;
      if (fault) faults.set(key, fault);
      else faults.delete(key);
      set(name, Object.keys(own).length ? { ...own } : null, [...faults.values()][0] ?? "");
    });
  return h("fieldset.option", {}, h("legend", {}, title), h("div.fields", {}, partsOf(setting).map(field)));
}

function choice({ name, choices, shown }, value, attributes, set) {
  const option = (item) => h("option", { value: item, selected: item === value }, text(shown[item]) || item);
  return h("select", { ...attributes, onchange: (event) => set(name, event.target.value, "") }, choices.map(option));
}

function input({ name, title, kinds, schema, value: byDefault }, value, attributes, set) {
  const isNumber = kinds.includes("number") || kinds.includes("integer");
  const canBeEmpty = kinds.includes("null");
  const number = {
    type: "number",
    min: schema.minimum,
    max: schema.maximum,
    step: kinds.includes("integer") ? 1 : "any",
  };
  const oninput = ({ target }) => {
    const entered = target.value.trim();
    const empty = canBeEmpty ? null : byDefault;
    const fault = target.validity.valid ? "" : `${title}: ${target.validationMessage}`;
    set(name, entered && isNumber ? Number(entered) : entered || empty, fault);
  };
  const kind = isNumber ? number : { type: "text" };
  return h("input", { ...attributes, ...kind, value: value ?? "", placeholder: canBeEmpty ? "none" : null, oninput });
}
