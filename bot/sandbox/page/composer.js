// The box where a person writes. "/" opens the list of slash commands; Enter sends; Shift+Enter makes a new line.
// Made once per conversation, so a draft stays while others write. Never sends by itself.

import { domId, h, icon, patch } from "./dom.js";

/** props: {label, commands: [{command, description, usage_hint, app}] | null in threads, send(line) -> {ok, error}}. */
export function composer(props) {
  const box = new Composer(props);
  return { node: box.node, update: (next) => box.update(next) };
}

class Composer {
  constructor(props) {
    this.node = Object.assign(document.createElement("div"), { className: "composer" });
    this.menu = Object.assign(document.createElement("div"), { className: "commands", id: domId(props.label, "commands") });
    this.area = Object.assign(document.createElement("textarea"), { rows: 1, spellcheck: true });
    this.foot = document.createElement("div");
    this.foot.className = "composer-foot";
    this.menu.setAttribute("role", "listbox");
    this.menu.setAttribute("aria-label", "Slash commands");
    const frame = Object.assign(document.createElement("div"), { className: "composer-frame" });
    frame.append(this.area, this.foot);
    this.node.append(this.menu, frame);
    this.error = "";
    this.queue = Promise.resolve();
    this.at = 0;
    this.area.oninput = () => {
      this.error = "";
      this.hidden = false;
      this.at = 0;
      this.draw();
    };
    this.area.onkeydown = (event) => this.key(event);
    this.area.onblur = () => this.hide();
    this.menu.onmousedown = (event) => event.preventDefault();
    this.update(props);
  }

  update(props) {
    this.props = props;
    this.area.setAttribute("aria-label", props.label);
    this.area.placeholder = props.commands ? props.label : "Reply…";
    this.draw();
  }

  /** The commands that fit what stands before the first space. */
  fitting() {
    const { value } = this.area;
    if (!this.props.commands || this.hidden || !/^\/\S*$/.test(value)) return this.typed(value);
    return this.props.commands.filter((one) => one.command.startsWith(value));
  }

  // After the space only the command that is being written stays, for its usage hint.
  typed(value) {
    if (!this.props.commands || this.hidden || !value.startsWith("/")) return [];
    return this.props.commands.filter((one) => value.startsWith(`${one.command} `));
  }

  draw() {
    const fits = this.fitting();
    this.at = Math.min(this.at, Math.max(0, fits.length - 1));
    patch(this.menu, fits.length > 0 && h("div", { class: "commands-head" }, "Commands"), fits.map((one, i) => this.row(one, i)));
    this.menu.hidden = !fits.length;
    this.area.setAttribute("aria-controls", this.menu.id);
    if (fits.length) this.area.setAttribute("aria-activedescendant", domId(this.menu.id, fits[this.at].command));
    else this.area.removeAttribute("aria-activedescendant");
    this.area.style.height = "auto";
    this.area.style.height = `${Math.min(this.area.scrollHeight, 200)}px`;
    this.drawFoot();
  }

  row({ command, description, usage_hint: hint, app }, i) {
    return h(
      "div",
      {
        role: "option", key: command, id: domId(this.menu.id, command), class: `command${i === this.at ? " active" : ""}`,
        "aria-selected": i === this.at ? "true" : "false", onclick: () => this.complete(command),
      },
      h("span", { class: "command-line" }, h("b", {}, command), hint && h("span", { class: "command-hint" }, ` ${hint}`)),
      h("span", { class: "command-about" }, description, app && h("span", { class: "command-app" }, app)),
    );
  }

  drawFoot() {
    const slash = !this.props.commands && this.area.value.startsWith("/");
    const words = this.error || (slash ? "Slash commands do not work in threads." : "");
    const hint = this.props.commands ? "Enter to send · / for commands" : "Enter to send";
    patch(
      this.foot,
      words ? h("span", { class: "composer-error", role: "alert" }, words) : h("span", { class: "composer-hint" }, hint),
      h("button", { type: "button", class: "send", "aria-label": "Send", disabled: !this.area.value.trim(), onclick: () => this.send() }, icon("send")),
    );
  }

  key(event) {
    const fits = this.fitting();
    const naming = fits.length > 0 && !this.area.value.includes(" ");
    const { key } = event;
    if (key === "Escape" && fits.length) return this.hide(event);
    if (naming && (key === "ArrowDown" || key === "ArrowUp")) return this.move(event, key === "ArrowDown" ? 1 : -1, fits);
    if (naming && key === "Tab") return this.complete(fits[this.at].command, event);
    if (key !== "Enter" || event.shiftKey || event.isComposing) return undefined;
    event.preventDefault();
    const whole = fits.some((one) => one.command === this.area.value.trim());
    return naming && !whole ? this.complete(fits[this.at].command) : this.send();
  }

  move(event, step, fits) {
    event.preventDefault();
    this.at = (this.at + step + fits.length) % fits.length;
    this.draw();
  }

  hide(event) {
    event?.preventDefault();
    this.hidden = true;
    this.draw();
  }

  complete(command, event) {
    event?.preventDefault();
    this.area.value = `${command} `;
    this.hidden = false;
    this.area.focus();
    this.draw();
  }

  // A line that is entered while another is on its way waits its turn: none is dropped, and none overtakes.
  send() {
    const line = this.area.value.trim();
    if (!line || (!this.props.commands && line.startsWith("/"))) return this.queue;
    this.area.value = "";
    this.hidden = true;
    this.draw();
    this.queue = this.queue.then(() => this.deliver(line));
    return this.queue;
  }

  async deliver(line) {
    const answer = await this.props.send(line);
    if (answer.ok) return;
    this.error = `Not sent: ${answer.error}`;
    if (!this.area.value) this.area.value = line;
    this.draw();
  }
}
