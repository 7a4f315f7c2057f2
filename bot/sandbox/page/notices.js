// The lost line, the sandbox's notices, toasts. Notices and toasts stand over the foot of the sidebar:
// never over a message or the composer.

import { h, icon } from "./dom.js";

/** The banner while the sandbox cannot be reached. */
export function banner(status) {
  if (status !== "lost") return null;
  return h("div", { class: "banner", role: "alert" }, icon("warning"), "The connection to the sandbox is lost. What you see may be old. Trying again…");
}

/** Notices of the sandbox and toasts of this page, at the corner. */
export function corner(store) {
  const notices = (store.snap?.notices ?? []).map((notice) => noticeCard(store, notice));
  return h("div", { class: "corner" }, notices, h("div", { class: "toasts", role: "status", "aria-label": "Notifications" }, store.toasts.map((toast) => toastCard(store, toast))));
}

function noticeCard(store, { id, text, level }) {
  const dismiss = () => store.act({ type: "dismiss", notice_id: id });
  return h(
    "div",
    { class: `card ${level ?? "info"}`, key: id, role: level === "error" ? "alert" : "note" },
    icon(level === "info" || !level ? "info" : "warning"),
    h("div", { class: "card-words" }, text),
    h("button", { type: "button", class: "icon-only", "aria-label": "Dismiss notice", onclick: dismiss }, icon("close")),
  );
}

function toastCard(store, { id, title, text, go, level }) {
  const words = [h("b", {}, title), h("span", { class: "card-text" }, text)];
  const open = () => {
    store.drop(id);
    go?.();
  };
  return h(
    "div",
    { class: `card toast ${level ?? "message"}`, key: id },
    go ? h("button", { type: "button", class: "card-words", onclick: open }, words) : h("div", { class: "card-words" }, words),
    h("button", { type: "button", class: "icon-only", "aria-label": "Dismiss notification", onclick: () => store.drop(id) }, icon("close")),
  );
}
