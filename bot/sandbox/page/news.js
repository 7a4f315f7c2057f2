// Finds what is new between two snapshots and worth a small notification for the acting user.
// Never notifies of one's own messages or of what is on the screen.

/** Keys of all messages in a snapshot, the base that `arrivals` compares with. */
export function seenIn(snapshot) {
  const seen = new Set();
  for (const [channel, list] of Object.entries(snapshot.messages)) {
    for (const message of list) seen.add(`${channel}/${message.ts}`);
  }
  return seen;
}

/** Messages that came since `seen` and that the person at `place` does not see. */
export function arrivals(snapshot, seen, place) {
  const out = [];
  for (const [channel, list] of Object.entries(snapshot.messages)) {
    for (const message of list) {
      if (seen.has(`${channel}/${message.ts}`) || message.deleted || message.user === snapshot.me.id) continue;
      if (!inSight(message, channel, place) && concerns(message, list, snapshot.me.id)) out.push({ channel, message });
    }
  }
  return out;
}

const isReply = (message) => message.thread_ts && message.thread_ts !== message.ts;

function inSight(message, channel, place) {
  if (document.hidden || channel !== place.channel) return false;
  return !isReply(message) || place.thread === message.thread_ts;
}

// As in Slack: a reply notifies those who take part in the thread or are named in it.
function concerns(message, list, me) {
  if (!isReply(message) || message.ephemeral) return true;
  const root = message.thread_ts;
  const part = list.some((other) => (other.ts === root || other.thread_ts === root) && other.user === me);
  return part || JSON.stringify([message.text, message.blocks]).includes(me);
}
