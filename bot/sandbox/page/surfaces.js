// The three places where an app's blocks stand (message, modal, Home tab) as one interface for the elements:
// act, input, suggest, state, error, pending. Typed values travel in order and always before a submission.
// Never draws.

import { fault, held } from "./values.js";

const TYPING_MS = 250;

export function surfaces(store) {
  const outbox = new Outbox(store);
  const checks = { view: null, faults: {}, sending: false, typed: new Map() };

  const base = (container, scope, address) => ({
    scope,
    names: store.names,
    state: () => undefined,
    error: () => null,
    pending: (block, action) => store.pending.has(`${scope}/${block}/${action}`),
    act: (block, action, value) => click(`${scope}/${block}/${action}`, { type: "action", container, ...address, block_id: block, action_id: action, value }),
    input: (block, element, value, typing) =>
      outbox.put({ type: "input", container, ...address, block_id: block.block_id, action_id: element.action_id, value }, typing),
    suggest: async (block, action, query) => {
      await outbox.flush();
      const answer = await store.act({ type: "suggest", container, ...address, block_id: block, action_id: action, query });
      if (!answer.ok) throw new Error(answer.error);
      return answer;
    },
  });

  async function click(key, payload) {
    if (store.pending.has(key)) return false;
    store.pending.add(key);
    store.changed();
    await outbox.flush();
    const answer = await store.act(payload);
    store.pending.delete(key);
    store.changed();
    if (!answer.ok) store.toast({ title: "That did not work", text: answer.error, level: "error" });
    return answer.ok;
  }

  const message = (channel, ts) => base("message", `m/${store.place.user}/${channel}/${ts}`, { channel, ts });

  function home() {
    const { app_id: app, values } = store.snap.home;
    return { ...base("home", `h/${store.place.user}/${app}`, {}), state: (block, action) => values?.[block]?.[action] };
  }

  function view() {
    const { modal } = store.snap;
    if (checks.view !== modal.view_id) Object.assign(checks, { view: modal.view_id, faults: {}, typed: new Map() });
    const scope = `v/${store.place.user}/${modal.view_id}`;
    const made = base("view", scope, {});
    return {
      ...made,
      state: (block, action) => modal.values?.[block]?.[action],
      error: (block) => checks.faults[block] ?? modal.errors?.[block] ?? null,
      input: (block, element, value, typing) => {
        checks.typed.set(`${block.block_id}/${element.action_id}`, value);
        if (checks.faults[block.block_id] && !fault(block, value)) delete checks.faults[block.block_id];
        return made.input(block, element, value, typing);
      },
    };
  }

  function faults({ blocks, values }) {
    const found = {};
    for (const block of blocks.filter((one) => one.type === "input")) {
      const key = `${block.block_id}/${block.element.action_id}`;
      const state = values?.[block.block_id]?.[block.element.action_id];
      const value = checks.typed.has(key) ? checks.typed.get(key) : held(block.element, state);
      const reason = fault(block, value);
      if (reason) found[block.block_id] = reason;
    }
    return found;
  }

  /** Submit the modal on top; false when a field must be mended first. */
  async function submit() {
    const { modal } = store.snap;
    if (checks.sending || modal.busy) return true;
    checks.faults = faults(modal);
    store.changed();
    if (Object.keys(checks.faults).length) return false;
    checks.sending = true;
    store.changed();
    await outbox.flush();
    const answer = await store.act({ type: "submit" });
    checks.sending = false;
    store.changed();
    if (!answer.ok && store.snap.modal && !store.snap.modal.error) {
      store.toast({ title: "The form was not accepted", text: answer.error, level: "error" });
    }
    return answer.ok;
  }

  const close = () => outbox.flush().then(() => store.act({ type: "close" }));
  return { message, home, view, submit, close, sending: () => checks.sending };
}

// Typed values wait a moment for the next key; all values leave one after the other, so that the last one wins.
class Outbox {
  constructor(store) {
    this.store = store;
    this.waiting = new Map();
    this.tail = Promise.resolve();
  }

  put(payload, typing) {
    this.waiting.set(`${payload.block_id}/${payload.action_id}`, { user: this.store.place.user, ...payload });
    clearTimeout(this.timer);
    if (!typing) return this.flush();
    this.timer = setTimeout(() => this.flush(), TYPING_MS);
    return undefined;
  }

  flush() {
    clearTimeout(this.timer);
    const batch = [...this.waiting.values()];
    this.waiting.clear();
    for (const payload of batch) this.tail = this.tail.then(() => this.store.act(payload));
    return this.tail.then(() => undefined);
  }
}
