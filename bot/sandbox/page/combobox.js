// One searchable list for every kind of select: static, external, users, channels, single and multi.
// Made once; keeps its choice through updates. Follows the ARIA combobox pattern with a listbox popup.
// Never knows where its options come from: `load(query)` of its surroundings gives groups of items.

import { domId, h, icon, patch } from "./dom.js";
import { wire } from "./fields.js";

let serial = 0;

/**
 * props: {label, labelledby, describedby, invalid, placeholder, multi, max, minQuery, searches, chosen: [item],
 * offers(item) -> whether it may stay chosen, load(query) -> groups or a promise of them, emit(items) -> promise of false when refused}.
 */
export function combobox(props) {
  const box = new Combobox(props);
  return { node: box.node, update: (next) => box.update(next), close: () => box.shut() };
}

class Combobox {
  constructor(props) {
    serial += 1;
    this.id = `combo${serial}`;
    this.chosen = props.chosen;
    this.touched = false;
    this.open = false;
    this.turn = 0;
    this.node = Object.assign(document.createElement("div"), { className: "combo" });
    this.list = Object.assign(document.createElement("div"), { className: "popup", id: `${this.id}-list`, popover: "manual" });
    this.list.setAttribute("role", "listbox");
    this.chips = Object.assign(document.createElement("span"), { className: "chips" });
    this.input = Object.assign(document.createElement("input"), { className: "combo-input", autocomplete: "off", spellcheck: false });
    this.side = Object.assign(document.createElement("span"), { className: "combo-side" });
    this.node.append(this.chips, this.input, this.side, this.list);
    this.groups = [];
    this.at = 0;
    this.follow = () => this.place();
    this.listen();
    this.update(props);
  }

  listen() {
    const { input, list, node } = this;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-autocomplete", "list");
    node.onmousedown = (event) => {
      if (list.contains(event.target)) return event.preventDefault();
      if (event.target.closest("button")) return undefined;
      // The click that opens selects what stands there, so that typing replaces it.
      if (event.target !== input || !this.open) event.preventDefault();
      input.focus();
      return this.open ? undefined : this.show();
    };
    input.oninput = () => (this.open ? this.search() : this.show());
    input.onkeydown = (event) => this.key(event);
    // Whoever comes by keyboard, or is put back here after an update, replaces what stands there by typing.
    input.onfocus = () => !this.open && input.select();
    input.onblur = () => this.leave();
  }

  update(props) {
    this.props = props;
    if (!this.touched) this.chosen = props.chosen;
    if (props.offers) this.chosen = this.chosen.filter(props.offers);
    wire(this.input, props);
    if (props.label && !props.labelledby) this.list.setAttribute("aria-label", props.label);
    if (props.labelledby) this.list.setAttribute("aria-labelledby", props.labelledby);
    if (props.multi) this.list.setAttribute("aria-multiselectable", "true");
    this.node.classList.toggle("invalid", Boolean(props.invalid));
    this.node.classList.toggle("busy", Boolean(props.busy));
    this.node.classList.toggle("multi", Boolean(props.multi));
    this.drawChosen();
  }

  drawChosen() {
    const { multi, placeholder } = this.props;
    this.input.placeholder = multi && this.chosen.length ? "" : (placeholder ?? "");
    if (!this.open) this.input.value = multi ? "" : (this.chosen[0]?.label ?? "");
    patch(this.chips, multi ? this.chosen.map((item) => this.chip(item)) : []);
    const clear = this.chosen.length && this.props.clearable;
    patch(
      this.side,
      clear && h("button", { type: "button", class: "combo-clear", tabindex: "-1", "aria-label": "Clear selection", onclick: () => this.commit([]) }, icon("close")),
      icon("down"),
    );
  }

  chip(item) {
    const remove = () => this.commit(this.chosen.filter((other) => other.value !== item.value));
    const cross = h("button", { type: "button", "aria-label": `Remove ${item.label}`, onclick: remove }, icon("close"));
    return h("span", { class: "chip", key: item.value }, item.label, cross);
  }

  show() {
    this.open = true;
    this.input.setAttribute("aria-expanded", "true");
    this.list.showPopover();
    addEventListener("scroll", this.follow, true);
    addEventListener("resize", this.follow);
    const untyped = !this.props.multi && this.input.value === (this.chosen[0]?.label ?? "");
    if (untyped) this.input.select();
    return this.search(untyped ? "" : this.input.value);
  }

  // Emptying an optional field by keyboard clears it, as the cross does by mouse.
  leave() {
    const emptied = this.open && this.props.clearable && this.chosen.length && !this.input.value;
    if (emptied) this.commit([]);
    this.shut();
  }

  shut() {
    if (!this.open) return;
    this.open = false;
    this.turn += 1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    if (this.list.isConnected) this.list.hidePopover();
    removeEventListener("scroll", this.follow, true);
    removeEventListener("resize", this.follow);
    this.drawChosen();
  }

  async search(query = this.input.value) {
    const turn = (this.turn += 1);
    const { minQuery = 0, searches } = this.props;
    if (query.length < minQuery) {
      const word = minQuery === 1 ? "character" : "characters";
      return this.fill([], `Type at least ${minQuery} ${word} to search.`);
    }
    if (searches) {
      if (!this.groups.length) this.fill([], "Searching…");
      await new Promise((resolve) => setTimeout(resolve, query ? 150 : 0));
      if (turn !== this.turn) return undefined;
    }
    try {
      const groups = await this.props.load(query);
      if (turn !== this.turn) return undefined;
      return this.fill(searches ? groups : filtered(groups, query), "No matches.");
    } catch (error) {
      if (turn !== this.turn) return undefined;
      return this.fill([], `The options could not be loaded: ${error.message}`, true);
    }
  }

  fill(groups, otherwise, failed = false) {
    this.failed = failed;
    this.groups = groups.filter((group) => group.items.length);
    this.items = this.groups.flatMap((group) => group.items);
    const here = this.items.findIndex((item) => this.has(item));
    this.at = Math.max(0, this.props.multi ? 0 : here);
    this.otherwise = otherwise;
    this.draw();
  }

  has(item) {
    return this.chosen.some((other) => other.value === item.value);
  }

  draw() {
    let n = -1;
    const options = this.groups.map((group, i) => {
      const rows = group.items.map((item) => this.row(item, (n += 1)));
      if (!group.label) return rows;
      const id = domId(this.id, "group", `${i}`);
      return h("div", { role: "group", "aria-labelledby": id, key: group.label }, h("div", { class: "popup-group", id }, group.label), rows);
    });
    patch(this.list, options, !this.items.length && this.note());
    this.place();
    const active = this.list.querySelector(".option.active");
    active?.scrollIntoView({ block: "nearest" });
    if (active) this.input.setAttribute("aria-activedescendant", active.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  // What could not be loaded may be there a moment later: a click or Enter asks again.
  note() {
    const again = this.failed && h("button", { type: "button", class: "link", tabindex: "-1", onclick: () => this.search() }, "Try again");
    return h("div", { class: "popup-note", role: "status" }, this.otherwise, " ", again);
  }

  row(item, n) {
    return h(
      "div",
      {
        role: "option",
        key: item.value,
        id: domId(this.id, item.value),
        class: `option${n === this.at ? " active" : ""}`,
        "aria-selected": this.has(item) ? "true" : "false",
        onclick: () => this.take(item),
        onmousemove: () => this.moveTo(n),
      },
      h("span", { class: "option-label" }, item.label),
      item.description && h("span", { class: "option-about" }, item.description),
    );
  }

  moveTo(n) {
    if (n === this.at || !this.items.length) return;
    this.at = (n + this.items.length) % this.items.length;
    this.draw();
  }

  key(event) {
    const { key } = event;
    if (key === "Tab") return this.leave();
    if (key === "Backspace" && this.props.multi && !this.input.value && this.chosen.length) {
      return this.commit(this.chosen.slice(0, -1));
    }
    if (!["ArrowDown", "ArrowUp", "Enter", "Escape"].includes(key)) return undefined;
    if (key === "Escape" && !this.open) return undefined;
    event.preventDefault();
    event.stopPropagation();
    if (key === "Escape") return this.shut();
    if (!this.open) return this.show();
    if (key === "Enter" && this.failed) return this.search();
    if (key === "Enter") return this.items[this.at] && this.take(this.items[this.at]);
    return this.moveTo(this.at + (key === "ArrowDown" ? 1 : -1));
  }

  take(item) {
    if (!this.props.multi) {
      this.commit([item]);
      return this.shut();
    }
    this.input.value = "";
    const off = this.has(item);
    const full = !off && this.props.max && this.chosen.length >= this.props.max;
    if (full) return undefined;
    this.commit(off ? this.chosen.filter((other) => other.value !== item.value) : [...this.chosen, item]);
    return this.draw();
  }

  async commit(chosen) {
    const before = this.chosen;
    this.touched = true;
    this.chosen = chosen;
    this.drawChosen();
    if ((await this.props.emit(chosen)) === false) {
      this.chosen = before;
      this.drawChosen();
    }
  }

  place() {
    const box = this.node.getBoundingClientRect();
    const below = innerHeight - box.bottom - 12;
    const room = Math.max(below, box.top - 12);
    const style = this.list.style;
    style.width = `${Math.max(box.width, 220)}px`;
    style.maxHeight = `${Math.min(300, room)}px`;
    style.left = `${Math.min(box.left, innerWidth - Math.max(box.width, 220) - 8)}px`;
    const up = below < Math.min(180, this.list.offsetHeight) && box.top > below;
    style.top = up ? "auto" : `${box.bottom + 4}px`;
    style.bottom = up ? `${innerHeight - box.top + 4}px` : "auto";
  }
}

function filtered(groups, query) {
  const words = query.trim().toLowerCase();
  if (!words) return groups;
  return groups.map((group) => ({ ...group, items: group.items.filter((item) => item.label.toLowerCase().includes(words)) }));
}
