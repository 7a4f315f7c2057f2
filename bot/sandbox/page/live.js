// The line to the sandbox: snapshots come over one WebSocket, acts go as POST. Says when the line is lost and
// tries again until it stands. Never interprets a snapshot.

const FIRST_WAIT = 400;
const LONGEST_WAIT = 4000;

export class Live {
  constructor({ onSnapshot, onStatus }) {
    this.onSnapshot = onSnapshot;
    this.onStatus = onStatus;
    this.socket = null;
    this.wait = FIRST_WAIT;
  }

  /** Follow the workspace as `user`; "" lets the sandbox choose. */
  follow(user) {
    this.user = user;
    clearTimeout(this.timer);
    this.socket?.close();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/sandbox/live?user=${encodeURIComponent(user)}`);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      this.wait = FIRST_WAIT;
      this.onStatus("online");
      this.onSnapshot(JSON.parse(event.data));
    };
    socket.onclose = () => socket === this.socket && this.again();
  }

  again() {
    this.onStatus("lost");
    this.timer = setTimeout(() => this.follow(this.user), this.wait);
    this.wait = Math.min(this.wait * 1.6, LONGEST_WAIT);
  }

  /** Who acts: the person of that id, or the first one when the address names nobody that the workspace has. */
  async whoIs(user) {
    const answer = await fetch(`/sandbox/state${user ? `?user=${encodeURIComponent(user)}` : ""}`);
    if (answer.status === 404 && user) return this.whoIs("");
    if (!answer.ok) throw new Error(`the sandbox answered ${answer.status}`);
    return (await answer.json()).me.id;
  }

  /** One act of a person. Always gives {ok, …}; a lost line is an answer too. */
  async act(payload) {
    try {
      const answer = await fetch("/sandbox/act", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(payload),
      });
      const body = await answer.json().catch(() => ({}));
      if (answer.ok) return { ok: true, ...body };
      return { ...body, ok: false, error: body.error ?? `the sandbox answered ${answer.status}` };
    } catch {
      return { ok: false, error: "the sandbox cannot be reached" };
    }
  }
}
