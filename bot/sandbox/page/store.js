// What the page knows and what a person did with it: the last snapshot, the place, clicks under way, typed values
// on their way, toasts. Views read it and call its verbs. Never touches the document except title and address.

import { Live } from "./live.js";
import { wordsOf } from "./mrkdwn.js";
import { arrivals, seenIn } from "./news.js";
import { addressOf, placeOf, settle } from "./place.js";
import { surfaces } from "./surfaces.js";

const TOAST_MS = 7000;

export class Store {
  constructor(onChange) {
    this.onChange = onChange;
    this.snap = null;
    this.status = "connecting";
    this.place = placeOf();
    this.pending = new Set();
    this.toasts = [];
    this.reading = new Set();
    this.surfaces = surfaces(this);
    this.live = new Live({ onSnapshot: (snap) => this.take(snap), onStatus: (status) => this.say(status) });
    addEventListener("popstate", () => this.open(placeOf(), { keep: true }));
    document.addEventListener("visibilitychange", () => this.markRead());
  }

  async start() {
    try {
      this.place.user = await this.live.whoIs(this.place.user);
      this.live.follow(this.place.user);
    } catch {
      this.say("lost");
      setTimeout(() => this.start(), 1000);
    }
  }

  changed() {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      this.onChange();
    });
  }

  say(status) {
    if (status === this.status) return;
    this.status = status;
    this.changed();
  }

  take(snap) {
    const again = this.snap?.me.id === snap.me.id;
    const fresh = again ? arrivals(snap, this.seen, this.place) : [];
    this.seen = seenIn(snap);
    const first = !this.snap;
    this.snap = snap;
    this.names = namesOf(snap);
    const place = settle(this.place, snap);
    if (addressOf(place) !== addressOf(placeOf())) history.replaceState(null, "", addressOf(place));
    this.place = place;
    if (first && place.home) this.act({ type: "home", app_id: place.home });
    for (const one of fresh.slice(-3)) this.notify(one);
    this.markRead();
    this.changed();
  }

  /** Go somewhere: {channel}, {thread}, {home} or {user}. */
  open(change, { keep = false } = {}) {
    const before = this.place;
    const next = "user" in change || "channel" in change || "home" in change ? { thread: "", home: "", channel: "", user: before.user, ...change } : { ...before, ...change };
    if (next.user !== before.user && !next.channel && !next.home) Object.assign(next, { channel: before.channel, home: before.home });
    this.place = next;
    if (!keep && addressOf(next) !== addressOf(before)) history.pushState(null, "", addressOf(next));
    if (next.user !== before.user) this.become(next.user);
    if (next.home && (next.home !== before.home || next.user !== before.user)) this.act({ type: "home", app_id: next.home });
    this.markRead();
    this.changed();
  }

  become(user) {
    this.toasts = [];
    this.pending.clear();
    this.live.follow(user);
  }

  /** Tell the sandbox what the acting person does. */
  act(payload) {
    return this.live.act({ user: this.place.user, ...payload });
  }

  /** Send a line from a composer: a slash command outside threads, else a message. */
  send(channel, line, thread = null) {
    if (!thread && line.startsWith("/")) {
      const [, command, text] = /^(\S+)\s*([\s\S]*)$/.exec(line);
      return this.act({ type: "command", channel, command, text });
    }
    return this.act({ type: "message", channel, text: this.marked(line), ...(thread ? { thread_ts: thread } : {}) });
  }

  // People type @ada and #ops; Slack's client turns them into ids. The sandbox escapes the rest.
  marked(line) {
    const rooms = new Map(this.snap.channels.map((room) => [room.name, `<#${room.id}>`]));
    const people = new Map(this.snap.users.map((user) => [user.name, `<@${user.id}>`]));
    return line
      .replace(/(^|\s)@([\w.-]+)/g, (whole, gap, name) => (people.has(name) ? gap + people.get(name) : whole))
      .replace(/(^|\s)#([\w.-]+)/g, (whole, gap, name) => (rooms.has(name) ? gap + rooms.get(name) : whole));
  }

  markRead() {
    const { channel, user } = this.place;
    const room = this.snap?.channels.find((one) => one.id === channel);
    if (!room?.unread || document.hidden || this.reading.has(channel) || this.snap.me.id !== user) return;
    this.reading.add(channel);
    this.act({ type: "read", channel }).then(() => this.reading.delete(channel));
  }

  notify({ channel, message }) {
    const room = this.names.channel(channel);
    const where = room.is_im ? "Direct message" : `#${room.name}`;
    const author = message.username || this.names.user(message.user)?.real_name || "App";
    const thread = message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : "";
    this.toast({ title: `${author} in ${where}`, text: wordsOf(message.text, this.names), go: () => this.open({ channel, thread }) });
  }

  /** A short notice at the corner that goes by itself. {title, text, go?, level?} */
  toast(toast) {
    const entry = { ...toast, id: `${Date.now()}-${Math.random()}` };
    this.toasts = [...this.toasts.slice(-2), entry];
    setTimeout(() => this.drop(entry.id), TOAST_MS);
    this.changed();
  }

  drop(id) {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
    this.changed();
  }
}

function namesOf(snap) {
  const users = new Map(snap.users.map((user) => [user.id, user]));
  const rooms = new Map(snap.channels.map((room) => [room.id, room]));
  const groups = new Map(snap.usergroups.map((group) => [group.id, group]));
  return {
    me: snap.me.id,
    users: snap.users,
    channels: snap.channels,
    user: (id) => users.get(id),
    channel: (id) => rooms.get(id),
    usergroup: (id) => groups.get(id),
  };
}
