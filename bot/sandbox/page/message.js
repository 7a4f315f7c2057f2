// One message: who, when, its blocks or text, files, reactions, the way into its thread.
// Never decides which messages are shown.

import { blocks } from "./blocks.js";
import { clock, full, replyTime } from "./dates.js";
import { domId, h, icon } from "./dom.js";
import { drawEmoji, emojiOf } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

const SIZES = ["B", "kB", "MB", "GB"];

/** The coloured square with a person's initials, or an app's sign. */
export function avatar(user, { size = "", bot = false } = {}) {
  const name = user?.real_name || user?.name || "App";
  const letters = name.split(/[\s._-]+/).filter(Boolean).slice(0, 2).map((word) => word[0].toUpperCase()).join("");
  const color = /^#?[0-9a-f]{3,8}$/i.test(user?.color ?? "") ? `#${user.color.replace("#", "")}` : "#4a5568";
  return h("span", { class: `avatar ${size}`, style: `--tint:${color}`, "aria-hidden": "true" }, bot ? icon("app") : letters);
}

/** Who wrote a message: {user, name, bot}. */
export function authorOf(message, names) {
  const user = names.user(message.user);
  const bot = Boolean(message.bot_id || user?.is_bot);
  return { user, bot, name: message.username || user?.real_name || user?.name || (bot ? "App" : message.user) };
}

/** props: {channel, grouped, thread: in the thread panel, root: the panel's first, onThread(ts)|null, surface, replies}. */
export function messageView(message, { channel, grouped, surface, names, onThread, onRoot, replies = [], isOpen }) {
  const author = authorOf(message, names);
  const kind = [message.ephemeral && "ephemeral", grouped && "grouped", isOpen && "open"].filter(Boolean).join(" ");
  const id = domId("message", channel, message.ts, surface.scope);
  const gutter = grouped
    ? h("span", { class: "quiet-time", title: full(message.ts) }, clock(message.ts))
    : avatar(author.user, { bot: author.bot });
  return h(
    "article",
    { class: `message ${kind}`, key: message.ts, "aria-labelledby": id, "data-ts": message.ts, tabindex: "-1" },
    h("div", { class: "gutter" }, gutter),
    h(
      "div",
      { class: "message-main" },
      message.ephemeral && h("div", { class: "only-you" }, icon("eye"), "Only visible to you"),
      onRoot && h("button", { type: "button", class: "only-you link", onclick: onRoot }, icon("thread"), "Replied to a thread"),
      head(message, author, id, grouped),
      h("div", { class: "message-body" }, message.deleted ? h("i", { class: "gone" }, "This message was deleted.") : body(message, surface, names)),
      onThread && threadLink(message, replies, names, onThread),
    ),
    onThread && !message.ephemeral && !message.deleted && toolbar(message, onThread),
  );
}

function head(message, author, id, grouped) {
  const name = h("span", { class: "author" }, author.name);
  const when = h("time", { class: "time", title: full(message.ts) }, clock(message.ts));
  return h("div", { class: `message-head${grouped ? " sr" : ""}`, id }, name, author.bot && h("span", { class: "badge" }, "APP"), when);
}

function body(message, surface, names) {
  const edited = message.edited && h("span", { class: "edited" }, "(edited)");
  const hasBlocks = Boolean(message.blocks?.length);
  const content = hasBlocks ? h("div", { class: "blocks" }, blocks(message.blocks, surface)) : h("div", { class: "text" }, mrkdwn(message.text, names), edited);
  return [
    content,
    hasBlocks && edited,
    message.attachments?.map((one, i) => attachment(one, i, surface, names)),
    message.files?.length && h("div", { class: "files" }, message.files.map(file)),
    message.reactions?.length && h("div", { class: "reactions" }, message.reactions.map((one) => reaction(one, names))),
  ];
}

function attachment({ color, title, text, fallback, blocks: inner }, i, surface, names) {
  const tint = /^#?[0-9a-f]{3,8}$/i.test(color ?? "") ? `#${color.replace("#", "")}` : ({ good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" }[color] ?? "var(--line-strong)");
  const nested = { ...surface, scope: `${surface.scope}/attachment${i}` };
  const content = inner?.length ? blocks(inner, nested) : [title && h("b", { class: "text" }, title), h("div", { class: "text" }, mrkdwn(text ?? fallback, names))];
  return h("div", { class: "attachment blocks", style: `--tint:${tint}`, key: `${i}` }, content);
}

function reaction({ name, users }, names) {
  const who = users.map((id) => names.user(id)?.real_name ?? id).join(", ");
  const sign = emojiOf(name);
  const mine = users.includes(names.me) ? " mine" : "";
  return h("span", { class: `reaction${mine}`, title: `${who} reacted with :${name}:`, key: name }, sign ? drawEmoji(sign, name) : `:${name}:`, h("span", { class: "reaction-count" }, `${users.length}`));
}

function file(one) {
  const name = one.title || one.name;
  const kind = (one.name?.split(".").pop() ?? "").toUpperCase();
  const shown = one.mimetype?.startsWith("image/") && h("img", { class: "file-picture", src: one.url, alt: name });
  return h(
    "div",
    { class: "file", key: one.id },
    shown || h("span", { class: "file-icon" }, icon("file")),
    h("div", { class: "file-words" }, h("a", { class: "file-name", href: one.url, target: "_blank", rel: "noopener", "aria-label": `Open ${name}` }, name), h("span", { class: "file-about" }, [kind, sizeOf(one.size)].filter(Boolean).join(" · "))),
    h("a", { class: "file-get", href: one.url, download: one.name ?? name, "aria-label": `Download ${name}`, title: "Download" }, icon("download")),
  );
}

function sizeOf(bytes) {
  if (bytes === undefined || bytes === null) return "";
  const step = Math.min(SIZES.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1000)));
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${SIZES[step]}`;
}

function threadLink(message, replies, names, onThread) {
  const count = message.reply_count ?? 0;
  if (!count) return null;
  const faces = [...new Map(replies.map((reply) => [reply.user, reply])).values()].slice(-4);
  return h(
    "button",
    { type: "button", class: "thread-link", onclick: () => onThread(message.ts) },
    h("span", { class: "faces" }, faces.map((reply) => { const author = authorOf(reply, names); return avatar(author.user, { size: "tiny", bot: author.bot }); })),
    h("span", { class: "thread-count" }, `${count} ${count === 1 ? "reply" : "replies"}`),
    message.latest_reply && h("span", { class: "thread-when" }, `Last reply ${replyTime(message.latest_reply)}`),
  );
}

function toolbar(message, onThread) {
  return h(
    "div",
    { class: "toolbar" },
    h("button", { type: "button", "aria-label": "Reply in thread", title: "Reply in thread", onclick: () => onThread(message.ts) }, icon("thread")),
  );
}
