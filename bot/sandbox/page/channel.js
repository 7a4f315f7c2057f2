// The channel pane and the thread panel: which messages stand there, in which order, under which day.
// Never draws a message's inside.

import { composer } from "./composer.js";
import { dayKey, dayName, moment } from "./dates.js";
import { h, icon, widget } from "./dom.js";
import { messageView } from "./message.js";

const GROUP_SECONDS = 300;

const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;
const order = (a, b) => Number(a.ts) - Number(b.ts);

/** A channel's name as people say it: #general, or the other person of a direct message. */
export function titleOf(room, names) {
  if (!room.is_im) return room.name;
  return otherIn(room, names)?.real_name ?? room.name;
}

/** The other person or bot of a direct message. */
export function otherIn(room, names) {
  return names.user(room.members?.find((id) => id !== names.me));
}

/** The middle pane. */
export function channelPane(store) {
  const { place, snap, names } = store;
  const room = names.channel(place.channel);
  const all = [...(snap.messages[room.id] ?? [])].sort(order);
  const top = all.filter((message) => (!isReply(message) || message.broadcast) && (!message.deleted || message.reply_count));
  const title = titleOf(room, names);
  const said = room.is_im ? title : `#${title}`;
  return h(
    "main",
    { class: "pane", key: `pane/${room.id}` },
    h("header", { class: "pane-head" }, h("h1", {}, sign(room), title), tabs(store, room)),
    h(
      "div",
      { class: "log", role: "log", "aria-label": `Messages in ${said}`, "data-stick": "", tabindex: "0", key: `${place.user}/${room.id}` },
      h("div", { class: "log-start" }, h("h2", {}, sign(room), title), h("p", {}, room.is_im ? `This is your conversation with ${title}.` : `This is the very beginning of the #${title} channel.`)),
      lines(top, store, room.id, { thread: false, all }),
    ),
    widget(composer, `write/${place.user}/${room.id}`, {
      label: `Message ${said}`,
      commands: snap.apps.flatMap((app) => (app.commands ?? []).map((command) => ({ ...command, app: app.name }))),
      send: (line) => store.send(room.id, line),
    }),
  );
}

const sign = (room) => h("span", { class: "room-sign", "aria-hidden": "true" }, room.is_im ? "" : room.is_private ? icon("lock") : "#");

// A direct message with an app has the app's Home beside it, as in Slack.
function tabs(store, room) {
  const app = room.is_im && store.snap.apps.find((one) => one.home_tab && one.bot_user === otherIn(room, store.names)?.id);
  return app ? appTabs(store, app, room, "messages") : null;
}

/** Home and Messages of an app. */
export function appTabs(store, app, room, here) {
  const tab = (name, key, go) =>
    h("button", { type: "button", role: "tab", "aria-selected": here === key ? "true" : "false", onclick: go }, name);
  return h(
    "div",
    { class: "tabs", role: "tablist", "aria-label": app.name },
    tab("Home", "home", () => store.open({ home: app.id })),
    room && tab("Messages", "messages", () => store.open({ channel: room.id })),
  );
}

/** The panel on the right: the root, its replies, a composer for plain replies. */
export function threadPanel(store) {
  const { place, snap, names } = store;
  const room = names.channel(place.channel);
  const all = [...(snap.messages[room.id] ?? [])].sort(order);
  const root = all.find((message) => message.ts === place.thread && !isReply(message));
  const replies = all.filter((message) => message.thread_ts === place.thread && isReply(message) && !message.deleted);
  const count = replies.filter((message) => !message.ephemeral).length;
  const rule = h("div", { class: "reply-rule" }, h("span", {}, `${count} ${count === 1 ? "reply" : "replies"}`));
  const where = room.is_im ? titleOf(room, names) : `#${room.name}`;
  return h(
    "aside",
    { class: "thread", "aria-label": "Thread", key: `thread/${room.id}/${place.thread}` },
    h(
      "header",
      { class: "pane-head" },
      h("h2", {}, "Thread ", h("span", { class: "quiet" }, where)),
      h("button", { type: "button", class: "icon-only", "aria-label": "Close thread", onclick: () => store.open({ thread: "" }) }, icon("close")),
    ),
    h(
      "div",
      { class: "log", role: "log", "aria-label": "Messages in this thread", "data-stick": "", tabindex: "0" },
      root ? one(root, store, room.id, {}) : h("p", { class: "gone" }, "This thread's first message is not here."),
      count > 0 && rule,
      lines(replies, store, room.id, { thread: true, all }),
    ),
    widget(composer, `reply/${place.user}/${room.id}/${place.thread}`, {
      label: "Reply in thread",
      commands: null,
      send: (line) => store.send(room.id, line, place.thread),
    }),
  );
}

function lines(list, store, channel, { thread, all }) {
  const out = [];
  let before = null;
  for (const message of list) {
    const day = !thread && dayKey(message.ts) !== (before && dayKey(before.ts));
    if (day) out.push(h("div", { class: "day", role: "separator", key: `day/${dayKey(message.ts)}` }, h("span", {}, dayName(message.ts))));
    out.push(one(message, store, channel, { grouped: !day && follows(message, before), thread, all, inLog: !thread }));
    before = message;
  }
  return out;
}

function follows(message, before) {
  if (!before || before.deleted || before.ephemeral || message.ephemeral) return false;
  if (before.reply_count || message.blocks?.length || before.blocks?.length) return false;
  const close = moment(message.ts) - moment(before.ts) < GROUP_SECONDS * 1000;
  return close && before.user === message.user && before.username === message.username && before.bot_id === message.bot_id;
}

function one(message, store, channel, { grouped = false, all = [], inLog = false }) {
  return messageView(message, {
    channel,
    grouped,
    names: store.names,
    surface: { ...store.surfaces.message(channel, message), ...(inLog ? {} : { scope: `t/${store.place.user}/${channel}/${message.ts}` }) },
    onRoot: inLog && isReply(message) ? () => store.open({ thread: message.thread_ts }) : null,
    onThread: inLog && !isReply(message) ? (ts) => store.open({ thread: ts }) : null,
    replies: inLog ? all.filter((reply) => reply.thread_ts === message.ts && reply.ts !== message.ts && !reply.ephemeral) : [],
    isOpen: inLog && store.place.thread === message.ts,
  });
}
