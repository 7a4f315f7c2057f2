// Fields that a person types into or ticks: text, number, date, time, radio buttons, checkboxes.
// Each is made once and keeps what was typed; an update from the app only changes what surrounds it.
// Never sends anything itself: `emit(value, {typing, enter})` of its surroundings does.

import { h, patch } from "./dom.js";
import { textOf } from "./mrkdwn.js";
import { epoch, held, localText, said } from "./values.js";

const TYPES = {
  number_input: "number", email_text_input: "email", url_text_input: "url", datepicker: "date", timepicker: "time",
  datetimepicker: "datetime-local", plain_text_input: "text",
};

/** Attributes that tie a control to its label, hint and error. */
export function wire(node, { label, labelledby, describedby, invalid, required }) {
  const set = (name, value) => (value ? node.setAttribute(name, value) : node.removeAttribute(name));
  set("aria-labelledby", labelledby);
  set("aria-label", labelledby ? null : label);
  set("aria-describedby", describedby);
  set("aria-invalid", invalid ? "true" : null);
  set("aria-required", required ? "true" : null);
}

/** Text, number, date and time inputs. */
export function textField(props) {
  const multiline = props.element.multiline && props.element.type === "plain_text_input";
  const node = document.createElement(multiline ? "textarea" : "input");
  if (!multiline) node.type = TYPES[props.element.type] ?? "text";
  node.className = `field field-${node.type}`;
  node.autocomplete = "off";
  const wrap = Object.assign(document.createElement("div"), { className: "field-wrap" });
  const count = Object.assign(document.createElement("span"), { className: "field-count" });
  wrap.append(node, count);
  let now = props;
  let touched = false;
  const say = (extra) => now.emit(fromText(now.element, node.value), extra);
  node.oninput = () => {
    touched = true;
    countDown(node, count);
    say({ typing: true });
  };
  node.onkeydown = (event) => {
    if (event.key === "Enter" && !multiline && now.onEnter?.(fromText(now.element, node.value))) event.preventDefault();
  };
  const update = (next) => {
    now = next;
    limits(node, next.element);
    wire(node, next);
    const text = toText(next.element, held(next.element, next.state));
    if (!touched && node.value !== text) node.value = text;
    countDown(node, count);
  };
  update(props);
  return { node: wrap, update };
}

function limits(node, element) {
  const set = (name, value) => (value === undefined || value === null ? node.removeAttribute(name) : node.setAttribute(name, value));
  const placeholder = said(element.placeholder) || (element.type === "plain_text_input" ? "" : null);
  set("placeholder", placeholder || null);
  set("maxlength", element.max_length);
  if (node.type === "number") {
    set("step", element.is_decimal_allowed ? "any" : "1");
    set("min", element.min_value);
    set("max", element.max_value);
  }
}

// Slack shows how many characters are left only when the end is near.
function countDown(node, count) {
  const left = node.maxLength > 0 ? node.maxLength - node.value.length : Infinity;
  count.textContent = left <= Math.max(10, node.maxLength * 0.1) ? `${left}` : "";
}

const toText = (element, value) => (element.type === "datetimepicker" ? localText(value) : `${value ?? ""}`);
const fromText = (element, text) => (element.type === "datetimepicker" ? epoch(text) : text || null);

/** Radio buttons and checkboxes. `emit` may answer false (a confirm dialog was refused): the tick goes back. */
export function choices(props) {
  const many = props.element.type === "checkboxes";
  const node = document.createElement("div");
  node.className = "choices";
  node.setAttribute("role", many ? "group" : "radiogroup");
  let now = props;
  let touched = false;
  let chosen = new Set();
  const draw = () => patch(node, (now.element.options ?? []).map((option, i) => choice(option, i, many, now, chosen, pick)));
  const sync = () => node.querySelectorAll("input").forEach((input) => (input.checked = chosen.has(input.value)));
  const pick = async (value, on) => {
    const before = chosen;
    touched = true;
    chosen = many ? new Set(chosen) : new Set();
    if (on) chosen.add(value);
    else chosen.delete(value);
    draw();
    sync();
    if ((await now.emit(many ? [...chosen] : value, {})) === false) {
      chosen = before;
      sync();
    }
  };
  const update = (next) => {
    now = next;
    wire(node, next);
    node.setAttribute("aria-label", next.labelledby ? "" : (next.label ?? ""));
    if (next.labelledby) node.removeAttribute("aria-label");
    if (!touched) chosen = new Set([held(next.element, next.state) ?? []].flat().map((option) => option.value));
    const alive = new Set((next.element.options ?? []).map((option) => option.value));
    chosen = new Set([...chosen].filter((value) => alive.has(value)));
    draw();
    sync();
  };
  update(props);
  return { node, update };
}

function choice(option, i, many, { names, uid }, chosen, pick) {
  const input = h("input", {
    type: many ? "checkbox" : "radio",
    name: uid,
    id: `${uid}-${i}`,
    value: option.value,
    onchange: (event) => pick(option.value, event.target.checked),
  });
  const about = option.description && h("span", { class: "choice-about", id: `${uid}-${i}-about` }, textOf(option.description, names));
  const label = h("label", { for: `${uid}-${i}` }, textOf(option.text, names));
  return h("div", { class: "choice", key: option.value }, input, h("div", {}, label, about));
}
