// Puts the page together: one store, one drawing function, scroll positions kept across drawings.
// Never draws parts itself.

import { channelPane, threadPanel } from "./channel.js";
import { h, patch, widget } from "./dom.js";
import { homePane } from "./home.js";
import { modalLayer } from "./modal.js";
import { banner, corner } from "./notices.js";
import { rail, sidebar } from "./sidebar.js";
import { Store } from "./store.js";
import { themeSwitch } from "./theme.js";

const NEAR = 48;
const host = document.getElementById("app");

const store = new Store(draw);
const theme = themeSwitch(() => store.changed());

function draw() {
  const logs = [...host.querySelectorAll("[data-stick]")];
  const stuck = new Set(logs.filter((log) => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR));
  patch(host, banner(store.status), store.snap ? workspace() : h("div", { class: "waiting-page" }));
  for (const log of host.querySelectorAll("[data-stick]")) {
    if (stuck.has(log) || !logs.includes(log)) log.scrollTop = log.scrollHeight;
  }
  document.title = titleNow();
}

// While the sandbox switches people, the page keeps the old view until the new person's snapshot is here.
function workspace() {
  const { place, names } = store;
  const room = names.channel(place.channel);
  const home = store.snap.apps.some((app) => app.id === place.home);
  return [
    h(
      "div",
      { class: `workspace${place.thread && room ? " with-thread" : ""}`, "aria-busy": store.snap.me.id === place.user ? "false" : "true" },
      rail(store, theme),
      sidebar(store),
      home ? homePane(store) : room ? channelPane(store) : h("main", { class: "pane" }),
      room && place.thread ? threadPanel(store) : null,
    ),
    widget(modalLayer, "modal", { store }),
    corner(store),
  ];
}

function titleNow() {
  if (!store.snap) return "Sandbox";
  const unread = store.snap.channels.reduce((sum, room) => sum + (room.unread || 0), 0);
  const room = store.names.channel(store.place.channel);
  const app = store.snap.apps.find((one) => one.id === store.place.home);
  const where = app?.name ?? (room ? `${room.is_im ? "" : "#"}${room.name}` : "");
  return `${unread ? `(${unread}) ` : ""}${where} · ${store.snap.team.name}`;
}

draw();
store.start();
