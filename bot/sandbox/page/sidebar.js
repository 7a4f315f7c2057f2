// The rail of people to act as, and the list of channels, direct messages and apps.
// Never hides a channel that the snapshot names.

import { otherIn, titleOf } from "./channel.js";
import { h, icon } from "./dom.js";
import { avatar } from "./message.js";
import { addressOf } from "./place.js";

/** "Act as": every person of the workspace with name and initials. */
export function rail(store, theme) {
  const people = store.snap.users.filter((user) => !user.is_bot && !user.deleted);
  return h(
    "nav",
    { class: "rail", "aria-label": "People" },
    h("div", { class: "rail-title", id: "act-as" }, "Act as"),
    h("div", { class: "rail-people", role: "radiogroup", "aria-labelledby": "act-as", onkeydown: arrows }, people.map((user) => person(store, user))),
    h("button", { type: "button", class: "rail-theme", "aria-label": theme.dark() ? "Use light colours" : "Use dark colours", title: "Light or dark", onclick: theme.toggle }, icon(theme.dark() ? "sun" : "moon")),
  );
}

function person(store, user) {
  const here = user.id === store.place.user;
  const name = user.real_name || user.name;
  return h(
    "button",
    {
      type: "button", role: "radio", key: user.id, class: "person", "aria-checked": here ? "true" : "false", "aria-label": name,
      tabindex: here ? "0" : "-1", title: user.title ? `${name}, ${user.title}` : name, onclick: () => store.open({ user: user.id }),
    },
    avatar(user),
    h("span", { class: "person-name" }, name.split(/\s+/)[0]),
  );
}

function arrows(event) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const rows = [...event.currentTarget.querySelectorAll("[role=radio]")];
  rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length].focus();
}

export function sidebar(store) {
  const { snap } = store;
  const rooms = snap.channels.filter((room) => !room.is_im);
  const direct = snap.channels.filter((room) => room.is_im);
  return h(
    "nav",
    { class: "sidebar", "aria-label": "Workspace" },
    h("div", { class: "team" }, h("h1", {}, snap.team.name), h("p", {}, "Acting as ", h("b", {}, snap.me.real_name || snap.me.name))),
    h(
      "div",
      { class: "sidebar-scroll" },
      group("Channels", rooms.map((room) => roomLink(store, room))),
      direct.length > 0 && group("Direct messages", direct.map((room) => roomLink(store, room))),
      snap.apps.length > 0 && group("Apps", snap.apps.filter((app) => app.home_tab).map((app) => appLink(store, app))),
      snap.apps.filter((app) => app.connected === 0).map((app) => h("p", { class: "offline", key: app.id }, `${app.name} is not connected: nothing answers its commands now.`)),
    ),
  );
}

function group(title, rows) {
  return h("section", { class: "side-group", "aria-label": title, key: title }, h("h2", {}, title), h("ul", {}, rows));
}

function entry(store, change, { here, unread, key, sign, words }) {
  const target = { user: store.place.user, channel: "", thread: "", home: "", ...change };
  const onclick = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    store.open(change);
  };
  return h(
    "li",
    { key },
    h(
      "a",
      { class: `side-link${unread ? " unread" : ""}`, href: addressOf(target), "aria-current": here ? "page" : null, onclick },
      h("span", { class: "side-sign", "aria-hidden": "true" }, sign),
      h("span", { class: "side-words" }, words),
      unread > 0 && h("span", { class: "count", "aria-label": `${unread} unread` }, `${unread}`),
    ),
  );
}

function roomLink(store, room) {
  const { names, place } = store;
  const other = otherIn(room, names);
  const sign = room.is_im ? avatar(other ?? { name: room.name }, { size: "tiny", bot: other?.is_bot }) : room.is_private ? icon("lock") : "#";
  const here = place.channel === room.id;
  return entry(store, { channel: room.id }, { key: room.id, here, unread: here ? 0 : room.unread, sign, words: titleOf(room, names) });
}

function appLink(store, app) {
  const sign = avatar(store.names.user(app.bot_user) ?? app, { size: "tiny", bot: true });
  return entry(store, { home: app.id }, { key: app.id, here: store.place.home === app.id, unread: 0, sign, words: app.name });
}
