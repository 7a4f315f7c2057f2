// An app's Home tab. Never shows another app's.

import { blocks } from "./blocks.js";
import { appTabs, otherIn } from "./channel.js";
import { h } from "./dom.js";
import { avatar } from "./message.js";

export function homePane(store) {
  const { snap, place, names } = store;
  const app = snap.apps.find((one) => one.id === place.home);
  const room = snap.channels.find((one) => one.is_im && otherIn(one, names)?.id === app.bot_user);
  const mine = snap.home?.app_id === app.id ? snap.home : null;
  const nothing = h("div", { class: "home-empty" }, h("p", {}, `${app.name} has not put anything on its Home tab yet.`));
  return h(
    "main",
    { class: "pane", key: `home/${app.id}` },
    h("header", { class: "pane-head" }, h("h1", {}, avatar(names.user(app.bot_user) ?? app, { size: "small", bot: true }), app.name), appTabs(store, app, room, "home")),
    h(
      "div",
      { class: "home-scroll", role: "tabpanel", "aria-label": `${app.name} Home`, tabindex: "0" },
      h("div", { class: "home-body blocks" }, mine?.blocks?.length ? blocks(mine.blocks, store.surfaces.home()) : nothing),
    ),
  );
}
