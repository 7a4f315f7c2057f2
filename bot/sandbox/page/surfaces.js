// The three places where an app's blocks stand (message, modal, Home tab) as one interface for the elements:
// act, input, suggest, state, error, pending. Typed values travel in order and always before a submission.
// Never draws.

const TYPING_MS = 250;

export function surfaces(store) {
  const outbox = new Outbox(store);
  let sending = false;

  const base = (container, scope, address) => ({
    scope,
    names: store.names,
    state: () => undefined,
    error: () => null,
    pending: (block, action) => store.pending.has(`${scope}/${block}/${action}`),
    act: (block, action, value) => click(`${scope}/${block}/${action}`, { type: "action", container, ...address, block_id: block, action_id: action, value }),
    input: (block, element, value, typing = false) =>
      outbox.put({ type: "input", container, ...address, block_id: block.block_id, action_id: element.action_id, value, enter: !typing }, typing),
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

  const message = (channel, { ts, values }) => ({
    ...base("message", `m/${store.place.user}/${channel}/${ts}`, { channel, ts }),
    state: (block, action) => values?.[block]?.[action],
  });

  function home() {
    const { app_id: app, values } = store.snap.home;
    return { ...base("home", `h/${store.place.user}/${app}`, {}), state: (block, action) => values?.[block]?.[action] };
  }

  function view() {
    const { modal } = store.snap;
    return {
      ...base("view", `v/${store.place.user}/${modal.view_id}`, {}),
      state: (block, action) => modal.values?.[block]?.[action],
      error: (block) => modal.errors?.[block] ?? null,
    };
  }

  /** Submit the modal on top; false when it stays open to be mended. */
  async function submit() {
    if (sending || store.snap.modal.busy) return true;
    sending = true;
    store.changed();
    await outbox.flush();
    const answer = await store.act({ type: "submit" });
    sending = false;
    store.changed();
    if (!answer.ok) store.toast({ title: "The form was not accepted", text: answer.error, level: "error" });
    return answer.ok && !Object.keys(answer.errors ?? {}).length;
  }

  const close = () => outbox.flush().then(() => store.act({ type: "close" }));
  return { message, home, view, submit, close, sending: () => sending };
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
