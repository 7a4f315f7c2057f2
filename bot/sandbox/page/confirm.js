// Block Kit's confirm dialog: a question that must be answered before a click is sent.
// Never sends anything; it only says yes or no.

import { domId, h, patch } from "./dom.js";
import { plainText, textOf } from "./mrkdwn.js";
import { said } from "./values.js";

/** Ask; true when the person confirmed, false when it was dismissed in any way. */
export function confirmed(question, names) {
  const dialog = Object.assign(document.createElement("dialog"), { className: "dialog confirm" });
  const title = domId("confirm", "title");
  const body = domId("confirm", "text");
  dialog.setAttribute("aria-labelledby", title);
  dialog.setAttribute("aria-describedby", body);
  const done = (answer) => dialog.close(answer);
  const style = question.style === "danger" ? "danger" : "primary";
  patch(
    dialog,
    h("h2", { id: title }, plainText(question.title ?? "Are you sure?")),
    h("div", { class: "confirm-text", id: body }, textOf(question.text, names)),
    h(
      "div",
      { class: "dialog-foot" },
      h("button", { type: "button", class: "button", onclick: () => done("") }, said(question.deny) || "Cancel"),
      h("button", { type: "button", class: `button ${style}`, ref: (node) => queueMicrotask(() => node.focus()), onclick: () => done("yes") }, said(question.confirm) || "Yes"),
    ),
  );
  document.body.append(dialog);
  trap(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    };
  });
}

/** Keep Tab inside a dialog. A browser's own modal dialog lets it wander to the address bar. */
export function trap(dialog) {
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Tab") return;
    const stops = [...dialog.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")].filter(
      (node) => node.tabIndex >= 0 && !node.disabled && node.checkVisibility(),
    );
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    const inside = stops.includes(document.activeElement);
    if (!stops.length || (inside && document.activeElement !== edge)) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0]).focus();
  });
}
