// The interactive elements of Block Kit. Each is drawn from its description and a surface (message, modal or Home)
// that carries clicks and values to the sandbox. Confirm dialogs are asked here, before anything is sent.
// Never keeps state: fields and comboboxes do, keyed by block_id and action_id.

import { combobox } from "./combobox.js";
import { confirmed } from "./confirm.js";
import { domId, h, widget } from "./dom.js";
import { choices, textField } from "./fields.js";
import { menu } from "./menu.js";
import { plainText, wordsOf } from "./mrkdwn.js";
import { groupsOf, held, itemOf, said, told } from "./values.js";

const TYPED = ["plain_text_input", "number_input", "email_text_input", "url_text_input", "datepicker", "timepicker", "datetimepicker"];
const LISTS = /^(multi_)?(static|external|users|channels|conversations)_select$/;

/** One element of a block. `labels`: {label, labelledby, describedby, invalid, required} for fields. */
export function element(description, block, surface, labels = {}) {
  const { type } = description;
  if (type === "button") return button(description, block, surface);
  if (type === "image") return picture(description);
  if (type === "overflow") return overflow(description, block, surface);
  if (TYPED.includes(type)) return field(textField, description, block, surface, labels);
  if (type === "radio_buttons" || type === "checkboxes") return field(choices, description, block, surface, labels);
  if (LISTS.test(type)) return select(description, block, surface, labels);
  return unknown(type);
}

/** What stands where this page does not know a block or an element. */
export function unknown(type) {
  return h("div", { class: "unknown" }, `${type ?? "no type"}: this page cannot show it yet`);
}

/** A picture of this sandbox or inside the page itself; others are named, for the page works offline. */
export function picture({ image_url: url, slack_file: file, alt_text: alt }, large = false) {
  const source = url ?? file?.url ?? "";
  const own = source.startsWith("data:image/") || new URL(source, location.href).origin === location.origin;
  if (own && source) return h("img", { class: large ? "picture" : "thumb", src: source, alt: alt ?? "" });
  return h("span", { class: `picture-off${large ? " large" : ""}`, role: "img", "aria-label": alt ?? "image", title: source }, large ? alt : (alt ?? "?").slice(0, 1));
}

async function act(description, block, surface, value) {
  if (description.confirm && !(await confirmed(description.confirm, surface.names))) return false;
  return surface.act(block.block_id, description.action_id, value);
}

function button(description, block, surface) {
  const waiting = surface.pending(block.block_id, description.action_id);
  const style = ["primary", "danger"].includes(description.style) ? ` ${description.style}` : "";
  const words = plainText(description.text);
  const common = {
    key: description.action_id,
    class: `button${style}${waiting ? " waiting" : ""}`,
    "aria-label": description.accessibility_label ?? null,
    "aria-busy": waiting ? "true" : null,
    "aria-disabled": waiting ? "true" : null,
  };
  const onclick = () => !waiting && act(description, block, surface, description.value ?? null);
  if (description.url) return h("a", { ...common, href: description.url, target: "_blank", rel: "noopener noreferrer", onclick }, words);
  return h("button", { ...common, type: "button", onclick }, h("span", { class: "button-words" }, words));
}

function overflow(description, block, surface) {
  const items = (description.options ?? []).map((option) => ({
    label: said(option.text),
    url: option.url,
    choose: () => act(description, block, surface, option.value),
  }));
  const label = description.accessibility_label ?? "More actions";
  return widget(menu, `${surface.scope}/${description.action_id}`, { label, items, icon: "more" });
}

function field(make, description, block, surface, labels) {
  const uid = domId(surface.scope, block.block_id, description.action_id);
  const inInput = block.type === "input";
  const fallback = said(description.placeholder) || wordsOf(said(block.text), surface.names) || description.action_id;
  return widget(make, `${surface.scope}/${description.action_id}/${description.type}`, {
    ...(labels.labelledby ? labels : { ...labels, label: fallback }),
    uid,
    element: description,
    names: surface.names,
    state: surface.state(block.block_id, description.action_id),
    emit: (value, how) => emit(description, block, surface, value, how),
    onEnter: (value) => inInput && asksOnEnter(description, block) && (surface.input(block, description, value), true),
  });
}

const asksOnEnter = (description, block) =>
  block.dispatch_action && (description.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"]).includes("on_enter_pressed");

// Fields of an input block are told as values (the sandbox tells the app where it asked for that); all others act.
function emit(description, block, surface, value, { typing = false }) {
  if (block.type === "input") return surface.input(block, description, value, typing);
  return act(description, block, surface, value);
}

function select(description, block, surface, labels) {
  const [, multi, kind] = LISTS.exec(description.type);
  const source = sources[kind](description, block, surface);
  const chosen = [held(description, surface.state(block.block_id, description.action_id)) ?? []].flat().map(source.item);
  const fallback = said(description.placeholder) || wordsOf(said(block.text), surface.names) || description.action_id;
  return widget(combobox, `${surface.scope}/${description.action_id}/${description.type}`, {
    ...(labels.labelledby ? labels : { ...labels, label: fallback }),
    placeholder: said(description.placeholder) || "Select an option",
    multi: Boolean(multi),
    max: description.max_selected_items,
    minQuery: source.minQuery ?? 0,
    searches: Boolean(source.searches),
    clearable: Boolean(block.optional) && !multi,
    busy: surface.pending(block.block_id, description.action_id),
    chosen,
    load: source.load,
    offers: source.offers,
    emit: (items) => emit(description, block, surface, multi ? items.map(told) : items.length ? told(items[0]) : null, {}),
  });
}

const people = (surface) => surface.names.users.filter((user) => !user.deleted).map((user) => ({ value: user.id, label: user.real_name || user.name }));
const rooms = (surface) =>
  surface.names.channels.filter((room) => !room.is_im).map((room) => ({ value: room.id, label: `#${room.name}` }));
const fromList = (items) => ({
  load: () => [{ label: "", items }],
  item: (value) => items.find((item) => item.value === value) ?? { value, label: value },
});

const sources = {
  static: (description) => ({
    load: () => groupsOf(description),
    item: (option) => itemOf(option),
    offers: ({ value }) => groupsOf(description).some((group) => group.items.some((item) => item.value === value)),
  }),
  users: (_, __, surface) => fromList(people(surface)),
  channels: (_, __, surface) => fromList(rooms(surface)),
  conversations: (_, __, surface) => fromList(rooms(surface)),
  external: (description, block, surface) => ({
    searches: true,
    minQuery: description.min_query_length ?? 3,
    item: (option) => itemOf(option, { searched: true }),
    load: async (query) => groupsOf(await surface.suggest(block.block_id, description.action_id, query), { searched: true }),
  }),
};

