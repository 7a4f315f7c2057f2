// A button that opens a short menu (overflow elements, message actions). Never remembers a choice.

import { h, icon, patch } from "./dom.js";

/** props: {label, icon, items: [{label, url?, choose()}]}. */
export function menu(props) {
  const node = Object.assign(document.createElement("span"), { className: "menu" });
  const list = Object.assign(document.createElement("div"), { className: "popup menu-list", popover: "auto" });
  list.setAttribute("role", "menu");
  let now = props;
  const open = () => {
    draw();
    list.showPopover();
    const box = node.getBoundingClientRect();
    list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - list.offsetWidth - 8))}px`;
    const up = box.bottom + list.offsetHeight + 8 > innerHeight;
    list.style.top = `${up ? box.top - list.offsetHeight - 4 : box.bottom + 4}px`;
    list.querySelector("[role=menuitem]")?.focus();
  };
  const choose = (item) => {
    list.hidePopover();
    node.querySelector("button").focus();
    if (item.url) window.open(item.url, "_blank", "noopener");
    item.choose();
  };
  const draw = () => patch(list, now.items.map((item, i) => h("button", { type: "button", role: "menuitem", key: `${i}`, onclick: () => choose(item) }, item.label)));
  list.onkeydown = (event) => {
    const rows = [...list.querySelectorAll("[role=menuitem]")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") list.hidePopover();
    if (!step && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (step) rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length].focus();
    else node.querySelector("button").focus();
  };
  const inner = document.createElement("span");
  node.append(inner, list);
  const update = (next) => {
    now = next;
    patch(inner, h("button", { type: "button", class: "button icon-button", "aria-label": next.label, "aria-haspopup": "menu", onclick: open }, icon(next.icon)));
    list.setAttribute("aria-label", next.label);
  };
  update(props);
  return { node, update };
}
