// rich_text and table blocks as elements. Never interprets mrkdwn: rich text carries its styles itself.

import { dateOf } from "./dates.js";
import { h } from "./dom.js";
import { drawEmoji, emojiOf } from "./emoji.js";
import { channelMention, link, plain, plainText, userMention } from "./mrkdwn.js";

/** A rich_text block, or a cell made of one. */
export function richText(block, names) {
  const parts = (block.elements ?? []).map((part) => richPart(part, names));
  return h("div", { class: "rich" }, parts);
}

function richPart(part, names) {
  const kids = (part.elements ?? []).map((element) => richElement(element, names));
  switch (part.type) {
    case "rich_text_section":
      return h("div", { class: "rich-section" }, kids);
    case "rich_text_quote":
      return h("blockquote", {}, kids);
    case "rich_text_preformatted":
      return h("pre", {}, kids);
    case "rich_text_list":
      return richList(part, names);
    default:
      return h("span", { class: "unknown" }, part.type);
  }
}

function richList(part, names) {
  const ordered = part.style === "ordered";
  const indent = part.indent ?? 0;
  const items = (part.elements ?? []).map((item) =>
    h("li", {}, (item.elements ?? []).map((element) => richElement(element, names))),
  );
  const props = { class: `rich-list level-${indent % 3}`, style: `--indent:${indent}` };
  if (ordered && part.offset) props.start = part.offset + 1;
  return h(ordered ? "ol" : "ul", props, items);
}

function richElement(element, names) {
  const made = bareElement(element, names);
  const style = element.style ?? {};
  let out = style.code ? h("code", {}, made) : made;
  for (const [name, tag] of [["bold", "b"], ["italic", "i"], ["strike", "s"], ["underline", "u"]]) {
    if (style[name]) out = h(tag, {}, out);
  }
  return out;
}

function bareElement(element, names) {
  switch (element.type) {
    case "text":
      return plain(element.text);
    case "link":
      return link(element.url, element.text || element.url);
    case "emoji": {
      const sign = emojiOf(element.name);
      return sign ? drawEmoji(sign, element.name) : `:${element.name}:`;
    }
    case "user":
      return userMention(element.user_id, names);
    case "channel":
      return channelMention(element.channel_id, names);
    case "usergroup":
      return h("span", { class: "mention" }, `@${element.usergroup_id}`);
    case "broadcast":
      return h("span", { class: "mention" }, `@${element.range}`);
    case "date":
      return h("time", {}, dateOf(element.timestamp, element.format, element.fallback));
    case "color":
      return h("code", {}, element.value);
    case "rich_text_section":
      return (element.elements ?? []).map((kid) => richElement(kid, names));
    default:
      return h("span", { class: "unknown" }, element.type);
  }
}

/** A table block: the first row is its head, columns align and wrap as their settings say. */
export function table(block, names) {
  const [head, ...rows] = block.rows ?? [];
  const settings = block.column_settings ?? [];
  const row = (cells, tag) => h("tr", {}, cells.map((cell, i) => h(tag, cellProps(settings[i]), cellBody(cell, names))));
  const body = h("tbody", {}, rows.map((cells) => row(cells, "td")));
  const grid = h("table", { class: "grid" }, head && h("thead", {}, row(head, "th")), body);
  return h("div", { class: "block table-block", tabindex: "0", role: "region", "aria-label": "Table" }, grid);
}

function cellProps(setting) {
  const align = setting?.align ?? "left";
  return { class: `align-${align}${setting?.is_wrapped ? " wrapped" : ""}` };
}

function cellBody(cell, names) {
  if (cell?.type === "rich_text") return richText(cell, names);
  return cell?.type === "raw_number" ? `${cell.text ?? cell.value}` : plainText(cell?.text ?? "");
}
