// The `markdown` block: standard Markdown, the part that messages use (headings, lists, code, quotes, tables, links).
// Never lets HTML through: what it does not know stays text.

import { h } from "./dom.js";
import { link, plain } from "./mrkdwn.js";

const INLINE = /(`+)(.+?)\1|!?\[([^\]]*)\]\(([^)\s]+)\)|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s][^*]*)\*|\b_([^_]+)_\b|~~(.+?)~~|(https?:\/\/[^\s<>)]+)/g;
const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;
const SPLIT = /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/;

/** Elements for a Markdown text. */
export function markdown(text) {
  const lines = (text ?? "").split("\n");
  const out = [];
  while (lines.length) out.push(take(lines));
  return out.filter(Boolean);
}

function take(lines) {
  const line = lines[0];
  if (!line.trim()) return void lines.shift();
  if (/^\s*```/.test(line)) return fence(lines);
  const heading = /^(#{1,6})\s+(.*)$/.exec(line);
  if (heading) return lines.shift() && h(`h${Math.min(6, heading[1].length + 2)}`, { class: "md-heading" }, inline(heading[2]));
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) return lines.shift() && h("hr", {});
  if (/^\s*>/.test(line)) return h("blockquote", {}, markdown(run(lines, /^\s*>/).map((l) => l.replace(/^\s*> ?/, "")).join("\n")));
  if (ITEM.test(line)) return list(run(lines, ITEM));
  if (line.includes("|") && SPLIT.test(lines[1] ?? "")) return grid(lines);
  const words = [lines.shift()];
  while (lines.length && lines[0].trim() && !/^(\s*```|#{1,6}\s|\s*>)/.test(lines[0]) && !ITEM.test(lines[0])) words.push(lines.shift());
  return h("p", {}, inline(words.join("\n")));
}

function run(lines, shape) {
  const out = [];
  while (lines.length && shape.test(lines[0])) out.push(lines.shift());
  return out;
}

function fence(lines) {
  lines.shift();
  const body = [];
  while (lines.length && !/^\s*```/.test(lines[0])) body.push(lines.shift());
  lines.shift();
  return h("pre", {}, plain(body.join("\n")));
}

function list(items) {
  const parsed = items.map((item) => ITEM.exec(item));
  const base = parsed[0][1].length;
  const ordered = /\d/.test(parsed[0][2]);
  const entries = [];
  for (const [whole, indent, , text] of parsed) {
    if (indent.length > base && entries.length) entries.at(-1).below.push(whole);
    else entries.push({ text, below: [] });
  }
  const lines = entries.map((entry) => h("li", {}, inline(entry.text), entry.below.length ? list(entry.below) : null));
  return h(ordered ? "ol" : "ul", { class: "rich-list" }, lines);
}

function grid(lines) {
  const cut = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const head = cut(lines.shift());
  const align = cut(lines.shift()).map((mark) => (/:$/.test(mark) ? (/^:/.test(mark) ? "center" : "right") : "left"));
  const row = (cells, tag) => h("tr", {}, cells.map((cell, i) => h(tag, { class: `align-${align[i] ?? "left"}` }, inline(cell))));
  const body = run(lines, /\|/).map((line) => row(cut(line), "td"));
  return h("table", { class: "grid" }, h("thead", {}, row(head, "th")), h("tbody", {}, body));
}

function inline(text) {
  const out = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    out.push(plain(text.slice(at, found.index)), span(found));
    at = found.index + found[0].length;
  }
  return [...out, plain(text.slice(at))];
}

function span([, , code, label, url, bold, bold2, italic, italic2, strike, bare]) {
  if (code !== undefined) return h("code", {}, plain(code));
  if (url !== undefined) return link(url, label || url);
  if (bare !== undefined) return link(bare, bare);
  if (bold ?? bold2) return h("b", {}, inline(bold ?? bold2));
  if (italic ?? italic2) return h("i", {}, inline(italic ?? italic2));
  return h("s", {}, inline(strike));
}
