// The modal that an app has open: fields, their errors, the bar at its foot. Focus stays inside while it stands.
// Never closes by itself: the sandbox says when it is gone.

import { blocks } from "./blocks.js";
import { trap } from "./confirm.js";
import { domId, h, icon, patch } from "./dom.js";
import { said } from "./values.js";

/** props: {store}. */
export function modalLayer(props) {
  const layer = new ModalLayer(props);
  return { node: layer.node, update: (next) => layer.update(next) };
}

class ModalLayer {
  constructor(props) {
    this.node = Object.assign(document.createElement("dialog"), { className: "dialog modal" });
    this.title = domId("modal", "title");
    this.node.setAttribute("aria-labelledby", this.title);
    this.node.tabIndex = -1;
    this.view = null;
    trap(this.node);
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.target.closest("[popover]")) return;
      event.preventDefault();
      this.leave();
    });
    this.node.oncancel = (event) => event.preventDefault();
    this.update(props);
  }

  update({ store }) {
    this.store = store;
    const modal = store.snap?.modal;
    if (!modal) return this.hide();
    const fresh = modal.view_id !== this.view;
    this.view = modal.view_id;
    const held = this.node.contains(document.activeElement);
    const action = document.activeElement?.closest(".input")?.dataset.action;
    const wrong = this.wrong();
    patch(this.node, this.form(modal));
    if (!this.node.open && this.node.isConnected) this.node.showModal();
    if (!this.node.isConnected) queueMicrotask(() => this.update({ store }));
    else if (fresh) this.enter();
    else if (!wrong && this.wrong()) this.wrong().focus();
    else if (held && !this.node.contains(document.activeElement)) (this.fieldOf(action) ?? this.node).focus();
    return undefined;
  }

  hide() {
    this.view = null;
    if (this.node.open) this.node.close();
    patch(this.node);
  }

  // As in Slack the first field is ready to be typed into; a view without fields offers its last button.
  enter() {
    const fields = ".modal-body input:not([disabled]), .modal-body textarea";
    const target = this.node.querySelector(fields) ?? [...this.node.querySelectorAll(".dialog-foot button")].at(-1);
    (target ?? this.node).focus();
  }

  leave() {
    if (!this.leaving) {
      this.leaving = true;
      this.store.surfaces.close().finally(() => (this.leaving = false));
    }
  }

  async submit() {
    const sent = await this.store.surfaces.submit();
    if (!sent) queueMicrotask(() => this.wrong()?.focus());
  }

  // An update may make the field anew in which somebody types: its successor takes the next key.
  fieldOf(action) {
    const field = `.input[data-action="${CSS.escape(action ?? "")}"]`;
    return this.node.querySelector(`${field} input, ${field} textarea`);
  }

  /** The first field with an error. */
  wrong() {
    return this.node.querySelector(".input.wrong input, .input.wrong textarea");
  }

  form(modal) {
    const busy = Boolean(modal.busy) || this.store.surfaces.sending();
    const depth = modal.depth > 1;
    const onsubmit = (event) => {
      event.preventDefault();
      this.submit();
    };
    return h(
      "form",
      { key: modal.view_id, class: `modal-form${busy ? " busy" : ""}`, "aria-busy": busy ? "true" : "false", novalidate: true, onsubmit },
      h("header", { class: "modal-head" }, h("h1", { id: this.title }, said(modal.title)), h("button", { type: "button", class: "icon-only", "aria-label": "Close dialog", onclick: () => this.leave() }, icon("close"))),
      h("div", { class: "busy-line", "aria-hidden": "true" }),
      h("div", { class: "modal-body blocks" }, blocks(modal.blocks, this.store.surfaces.view())),
      modal.error && h("div", { class: "modal-error", role: "alert" }, icon("warning"), h("span", {}, modal.error)),
      h("footer", { class: "dialog-foot" }, this.foot(modal, busy, depth)),
    );
  }

  foot(modal, busy, depth) {
    const submit = said(modal.submit);
    const close = said(modal.close) || (depth ? "Back" : submit ? "Cancel" : "Close");
    const state = busy ? " waiting" : "";
    return [
      h("button", { type: "button", class: "button", key: "close", onclick: () => this.leave() }, close),
      submit && h("button", { type: "submit", class: `button primary${state}`, key: "submit", "aria-disabled": busy ? "true" : null }, h("span", { class: "button-words" }, submit)),
    ];
  }
}
