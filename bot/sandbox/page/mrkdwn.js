// Slack's mrkdwn as elements: *bold* _italic_ ~strike~ `code` ```pre``` > quotes, <links>, mentions, dates, :emoji:.
// Slack's rules, not Markdown's. Never sets markup from a message: all text goes in as text nodes.

import { dateOf } from "./dates.js";
import { h } from "./dom.js";
import { drawEmoji, emojiOf, SIGN } from "./emoji.js";

const PRE = /```([\s\S]+?)```\n?/;
const QUOTE = /^(?:>|&gt;) ?/;
const BULLET = /^(\s*)([•◦▪▫])\s+(.*)$/;
const INLINE = new RegExp(
  [
    "(?<code>`[^`\\n]+`)",
    "(?<entity><[^<>\\n]+>)",
    "(?<emoji>:[a-z0-9_+'-]+(?:::skin-tone-[2-6])?:)",
    "(?<url>https?:\\/\\/[^\\s<>|]+[^\\s<>|.,;:!?)\\]}'\"])",
    "(?<bold>\\*(?=\\S)[^*\\n]*[^*\\s]\\*)",
    "(?<italic>_(?=\\S)[^_\\n]*[^_\\s]_)",
    "(?<strike>~(?=\\S)[^~\\n]*[^~\\s]~)",
  ].join("|"),
  "gu",
);
const BAR = /[█▉▊▋▌▍▎▏▓▒░■□▰▱▬▭━─●○⬛⬜]{4,}/u;
const LINKS = /^(https?:|mailto:)/i;
const SHADES = new Map([["█", 100], ["▓", 70], ["▒", 45], ["░", 20]]);
const STYLES = { bold: "b", italic: "i", strike: "s" };

/** Elements for one mrkdwn text. `names` says who U1, C1 are: {user(id), channel(id)}. */
export function mrkdwn(text, names, { verbatim = false } = {}) {
  const out = [];
  let rest = text ?? "";
  for (let found = PRE.exec(rest); found; found = PRE.exec(rest)) {
    out.push(...paragraphs(rest.slice(0, found.index).replace(/\n$/, ""), names, verbatim));
    out.push(h("pre", {}, raw(found[1].replace(/^\n/, "").replace(/\n$/, ""))));
    rest = rest.slice(found.index + found[0].length);
  }
  return [...out, ...paragraphs(rest, names, verbatim)];
}

/** Text as it stands, with Slack's three escapes taken back, progress bars in even cells. */
export function plain(text) {
  return pieces(unescape(text ?? ""));
}

/** `plain_text` objects: no formatting, but emoji unless they are turned off. */
export function plainText(object) {
  if (!object) return [];
  if (typeof object === "string") return plain(object);
  if (object.emoji === false) return plain(object.text);
  return object.text.split(/(:[a-z0-9_+'-]+:)/).map((part, i) => {
    const sign = i % 2 ? emojiOf(part.slice(1, -1)) : null;
    return sign ? drawEmoji(sign, part.slice(1, -1)) : plain(part);
  });
}

/** Any text object (plain_text or mrkdwn) as elements. */
export function textOf(object, names) {
  if (object?.type === "mrkdwn") return mrkdwn(object.text, names, { verbatim: object.verbatim });
  return plainText(object);
}

/** The words alone, for labels and notifications. */
export function wordsOf(text, names) {
  const words = (kid) => (typeof kid === "object" ? (kid.kids ?? []).map(walk).join("") : `${kid}`);
  const walk = (kid) => (Array.isArray(kid) ? kid.map(walk).join("") : kid ? words(kid) : "");
  return walk(mrkdwn(text, names)).replace(/\s+/g, " ").trim();
}

export function unescape(text) {
  return text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
}

/** A link that leaves the page, or plain words for anything that is not http or mail. */
export function link(url, label) {
  if (!LINKS.test(url)) return h("span", { title: url }, label);
  return h("a", { class: "link", href: url, target: "_blank", rel: "noopener noreferrer" }, label);
}

export function userMention(id, names, fallback) {
  const user = names.user(id);
  const mine = names.me === id ? " mine" : "";
  return h("span", { class: `mention${mine}` }, `@${user?.real_name ?? user?.name ?? fallback ?? id}`);
}

export function channelMention(id, names, fallback) {
  return h("span", { class: "mention" }, `#${names.channel(id)?.name ?? fallback ?? id}`);
}

function paragraphs(text, names, verbatim) {
  if (!text) return [];
  const out = [];
  for (const line of text.split("\n")) {
    const quoted = QUOTE.test(line);
    const bullet = quoted ? null : BULLET.exec(line);
    const last = out.at(-1);
    if (quoted && last?.quote) last.quote.push(line.replace(QUOTE, ""));
    else if (quoted) out.push({ quote: [line.replace(QUOTE, "")] });
    else if (bullet) out.push({ bullet });
    else if (last?.lines) last.lines.push(line);
    else out.push({ lines: [line] });
  }
  return out.map((part) => paragraph(part, names, verbatim));
}

function paragraph(part, names, verbatim) {
  if (part.quote) return h("blockquote", {}, inline(part.quote.join("\n"), names, verbatim));
  if (part.bullet) {
    const [, indent, sign, text] = part.bullet;
    const style = `--indent:${Math.floor(indent.length / 2)}`;
    return h("span", { class: "bullet", style }, h("span", { class: "dot" }, `${sign} `), h("span", {}, inline(text, names, verbatim)));
  }
  return h("span", { class: "para" }, inline(part.lines.join("\n"), names, verbatim));
}

function inline(text, names, verbatim) {
  const out = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index < at) continue;
    const [kind, body] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    const end = found.index + body.length;
    if (STYLES[kind] && !stands(text, found.index, end)) continue;
    const made = element(kind, body, names, verbatim);
    if (made === null) continue;
    out.push(plain(text.slice(at, found.index)), made);
    at = end;
  }
  out.push(plain(text.slice(at)));
  return out;
}

// A sign opens and closes formatting only at the edge of a word, so snake_case_names stay whole.
function stands(text, from, to) {
  const word = /[\p{L}\p{N}]/u;
  return !word.test(text[from - 1] ?? " ") && !word.test(text[to] ?? " ");
}

function element(kind, body, names, verbatim) {
  if (kind === "code") return h("code", {}, raw(body.slice(1, -1)));
  if (kind === "entity") return entity(body.slice(1, -1), names);
  if (kind === "url") return verbatim ? null : link(unescape(body), unescape(body));
  if (kind === "emoji") {
    const sign = emojiOf(body.slice(1, -1));
    return sign ? drawEmoji(sign, body.slice(1, -1)) : null;
  }
  return h(STYLES[kind], {}, inline(body.slice(1, -1), names, verbatim));
}

function entity(body, names) {
  const bar = body.indexOf("|");
  const head = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? null : unescape(body.slice(bar + 1));
  if (head.startsWith("@")) return userMention(head.slice(1), names, label);
  if (head.startsWith("#")) return channelMention(head.slice(1), names, label);
  if (head.startsWith("!")) return special(head.slice(1), label, names);
  const url = unescape(head);
  if (label === null && !LINKS.test(url)) return `<${url}>`;
  return link(url, label ?? url.replace(/^mailto:/, ""));
}

function special(head, label, names) {
  const [word, stamp, format] = head.split("^");
  if (word === "date") return h("time", {}, dateOf(Number(stamp), format, label));
  if (word === "subteam") return h("span", { class: "mention" }, label ?? `@${names.usergroup(stamp)?.handle ?? stamp}`);
  return h("span", { class: "mention" }, label ?? `@${word}`);
}

// Inside code Slack keeps every sign as it is, but a link is still its label.
function raw(text) {
  return plain(text.replace(/<([^<>|\n]+)(?:\|([^<>\n]*))?>/g, (_, url, label) => label ?? url));
}

function pieces(text) {
  if (!text) return [];
  const bar = BAR.exec(text);
  const sign = SIGN.exec(text);
  const first = bar && (!sign || bar.index <= sign.index) ? bar : sign;
  if (!first) return [text];
  const made = first === bar ? cells(first[0]) : drawEmoji(first[0]);
  return [text.slice(0, first.index), made, ...pieces(text.slice(first.index + first[0].length))];
}

// Fonts give █ and ░ different widths; in cells of one width a bar does not move while it fills.
function cells(bar) {
  const shade = (sign) => (SHADES.has(sign) ? { class: "shade", style: `--shade-of:${SHADES.get(sign)}%` } : {});
  return h("span", { class: "cells" }, [...bar].map((sign) => h("span", shade(sign), sign)));
}
