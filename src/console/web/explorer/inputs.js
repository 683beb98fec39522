// A form from the description of an operation: one control for each parameter. Values: {name: text | [text, …] |
// [[name, value], …]}.
import { html } from "../vendor/preact.js";
import { t } from "../words.js";
import { utcOf } from "./moment.js";
import { Prose } from "./prose.js";

const LAST_SECOND = 253402300799; // of the year 9999: a whole number up to it is a time

const plain = { autocomplete: "off", spellcheck: "false", autocapitalize: "off" };

function Text({ id, param, value, about, onChange }) {
  return html`<input id=${id} name=${param.name} ...${plain} value=${value} aria-describedby=${about}
    required=${param.isRequired} inputmode=${param.control.isInteger ? "numeric" : undefined}
    placeholder=${param.example ?? param.preset ?? ""} onInput=${(event) => onChange(event.target.value)} />`;
}

function Choice({ id, param, value, about, onChange }) {
  const absent = param.preset === undefined ? t("not_given") : t("not_given_is", param.preset);
  return html`<select id=${id} name=${param.name} value=${value} aria-describedby=${about}
    onChange=${(event) => onChange(event.target.value)}>
    <option value="" selected=${value === ""}>${absent}</option>
    ${param.control.options.map(
      (one) => html`<option key=${one} value=${one}
      selected=${one === value}>${one}</option>`,
    )}
  </select>`;
}

// Rows of texts that somebody adds. Each is sent, also an empty one.
function Rows({ rows, label, placeholder, onChange }) {
  const change = (index, text) => onChange(rows.map((row, i) => (i === index ? text : row)));
  return html`${rows.map(
    (row, index) => html`<span class="row" key=${index}><input ...${plain} value=${row}
      aria-label=${label + " " + (index + 1)} placeholder=${placeholder}
      onInput=${(event) => change(index, event.target.value)} />
      <button type="button" aria-label=${t("remove_of", label + " " + (index + 1))}
        onClick=${() => onChange(rows.filter((_, i) => i !== index))}>${t("remove")}</button></span>`,
  )}
  <button type="button" aria-label=${t("add_of", label)}
    onClick=${() => onChange([...rows, ""])}>${t("add")}</button>`;
}

// Choices are boxes, in the order of clicks; what else is given follows in rows.
function Choices({ id, param, value, about, onChange }) {
  const { isFree } = param.control;
  const options =
    param.mayBeEmpty && !isFree && !param.control.options.includes("")
      ? [...param.control.options, ""]
      : param.control.options;
  const rows = value.filter((one) => !options.includes(one)),
    boxes = value.filter((one) => options.includes(one));
  const toggle = (one) =>
    onChange([...(boxes.includes(one) ? boxes.filter((b) => b !== one) : [...boxes, one]), ...rows]);
  return html`<div role="group" aria-labelledby=${id} aria-describedby=${about} class="choices">
    ${options.map(
      (one) => html`<label key=${one}><input type="checkbox" checked=${boxes.includes(one)}
        onChange=${() => toggle(one)} />${one === "" ? t("empty_value") : one}</label>`,
    )}
    ${
      isFree &&
      html`<${Rows} rows=${rows} label=${param.name} placeholder=${(param.example ?? [])[0] ?? ""}
      onChange=${(next) => onChange([...boxes, ...next])} />`
    }</div>`;
}

// Pairs of names and values. prefix: of the names, as in "label.".
export function Pairs({ label, prefix = "", pairs, about, onChange }) {
  const change = (index, place, text) =>
    onChange(pairs.map((pair, i) => (i === index ? pair.map((each, at) => (at === place ? text : each)) : pair)));
  const cell = (pair, index, place, word) => html`<input ...${plain} value=${pair[place]}
    aria-label=${label + " " + (index + 1) + ": " + t(word)} placeholder=${t(word)}
    onInput=${(event) => change(index, place, event.target.value)} />`;
  return html`<div role="group" aria-label=${label} aria-describedby=${about} class="choices">
    ${pairs.map(
      (pair, index) => html`<span class="row" key=${index}>${prefix && html`<code>${prefix}</code>`}
        ${cell(pair, index, 0, "name")}<span>=</span>${cell(pair, index, 1, "value")}
        <button type="button" aria-label=${t("remove_of", label + " " + (index + 1))}
          onClick=${() => onChange(pairs.filter((_, i) => i !== index))}>${t("remove")}</button></span>`,
    )}
    <button type="button" aria-label=${t("add_of", label)}
    onClick=${() => onChange([...pairs, ["", ""]])}>${t("add")}</button>
  </div>`;
}

const KINDS = { text: Text, choice: Choice, list: Choices };

// What a value may be, in a few words.
function bounds({ control, least, most, longest, mayBeEmpty }) {
  return [
    control.isInteger && (most === undefined ? t("integer") : t("integer_from_to", least ?? 0, most)),
    longest !== undefined && t("bytes_at_most", longest),
    mayBeEmpty && t("may_be_empty"),
  ].filter(Boolean);
}

const shown = (example, prefix = "") =>
  Array.isArray(example)
    ? example.map((one) => (Array.isArray(one) ? prefix + one.join("=") : one)).join(", ")
    : example;

// One parameter: its name, its help and its control. onChange gets the new value, of the form's own kind.
export function Param({ param, value, onChange }) {
  const { name, control, example, isRequired } = param;
  const id = "param-" + name,
    about = "help-" + name;
  const isGroup = control.kind === "list" || control.kind === "family";
  const label = html`${name}${isRequired && html` <span class="required">${t("required")}</span>`}`;
  const moment = control.isInteger && param.most === LAST_SECOND ? utcOf(value) : "";
  return html`<div class="param"><div class="about-param">
      ${isGroup ? html`<span class="label" id=${id}>${label}</span>` : html`<label for=${id}>${label}</label>`}
      <div id=${about}><p><${Prose} text=${param.help} /></p><p>${bounds(param).join(" · ")}</p></div></div>
    <div class="control">${
      control.kind === "family"
        ? html`<${Pairs} label=${name} prefix=${control.prefix} pairs=${value} about=${about} onChange=${onChange} />`
        : html`<${KINDS[control.kind]} id=${id} param=${param} value=${value} about=${about} onChange=${onChange} />`
    }
    ${moment && html`<p class="note" role="status">= ${moment}</p>`}
    ${
      example !== undefined &&
      html`<p class="note">${t("example")} <button type="button" class="example"
        aria-label=${t("example_of", name, shown(example, control.prefix))}
        onClick=${() => onChange(example)}>${shown(example, control.prefix)}</button></p>`
    }</div></div>`;
}

export const emptyOf = ({ control }) => (control.kind === "list" || control.kind === "family" ? [] : "");
