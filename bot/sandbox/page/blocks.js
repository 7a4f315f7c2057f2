// Block Kit's layout blocks as elements, on any surface. Never hides what it does not know: it names it.

import { domId, h, icon } from "./dom.js";
import { element, picture, unknown } from "./elements.js";
import { markdown } from "./markdown.js";
import { plainText, textOf } from "./mrkdwn.js";
import { richText, table } from "./richtext.js";

/** All blocks of a message, a modal or a Home tab, keyed by block_id so that fields outlive updates. */
export function blocks(list, surface) {
  return (list ?? []).map((block, i) => {
    const id = block.block_id ?? `#${i}`;
    const made = (LAYOUT[block.type] ?? strange)({ ...block, block_id: id }, surface);
    return h("div", { class: `block-slot slot-${block.type}`, key: `${surface.scope}/${id}/${block.type}` }, made);
  });
}

const strange = (block) => unknown(block.type);

const LAYOUT = {
  section,
  input,
  header: (block) => h("h3", { class: "block header" }, plainText(block.text)),
  divider: () => h("hr", { class: "block divider" }),
  context,
  actions: (block, surface) => h("div", { class: "block actions" }, (block.elements ?? []).map((one) => element(one, block, surface))),
  image,
  rich_text: (block, surface) => h("div", { class: "block" }, richText(block, surface.names)),
  table: (block, surface) => table(block, surface.names),
  markdown: (block) => h("div", { class: "block md" }, markdown(block.text)),
  alert: (block, surface) =>
    h("div", { class: `block alert ${block.level ?? "default"}`, role: "note" }, icon("info"), h("span", {}, textOf(block.text, surface.names))),
};

function section(block, surface) {
  const { names } = surface;
  const fields = block.fields && h("div", { class: "fields" }, block.fields.map((one) => h("div", { class: "text" }, textOf(one, names))));
  const accessory = block.accessory && h("div", { class: `accessory of-${block.accessory.type}` }, element(block.accessory, block, surface));
  const text = block.text && h("div", { class: "text" }, textOf(block.text, names));
  return h("div", { class: "block section" }, h("div", { class: "section-body" }, text, fields), accessory);
}

function context(block, surface) {
  const one = (part) => (part.type === "image" ? picture(part) : h("span", { class: "text" }, textOf(part, surface.names)));
  return h("div", { class: "block context" }, (block.elements ?? []).map(one));
}

function image(block) {
  const title = block.title && h("figcaption", {}, plainText(block.title));
  return h("figure", { class: "block" }, title, picture(block, true));
}

function input(block, surface) {
  const uid = domId(surface.scope, block.block_id);
  const error = surface.error(block.block_id);
  const ids = [error && `${uid}-error`, block.hint && `${uid}-hint`].filter(Boolean).join(" ");
  const labels = { labelledby: `${uid}-label`, describedby: ids || null, invalid: Boolean(error), required: !block.optional };
  const focus = (event) => event.currentTarget.closest(".input").querySelector("input, textarea")?.focus();
  return h(
    "div",
    { class: `block input${error ? " wrong" : ""}`, "data-action": block.element?.action_id },
    h("div", { class: "input-label" }, h("span", { id: `${uid}-label`, onclick: focus }, plainText(block.label)), block.optional && h("span", { class: "optional" }, "(optional)")),
    element(block.element, block, surface, labels),
    error && h("div", { class: "input-error", role: "alert", id: `${uid}-error` }, icon("warning"), h("span", {}, error)),
    block.hint && h("div", { class: "input-hint", id: `${uid}-hint` }, plainText(block.hint)),
  );
}
