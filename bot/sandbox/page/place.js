// Where the person is: acting user, channel, open thread or Home tab; kept in the page's address.
// Never knows whether such a channel exists; `settle` corrects it against a snapshot.

/** The place that the address names. */
export function placeOf(address = location) {
  const query = new URLSearchParams(address.search);
  const word = (name) => query.get(name) ?? "";
  return { user: word("user"), channel: word("channel"), thread: word("thread"), home: word("home") };
}

/** The address of a place, for links that open the same view elsewhere. */
export function addressOf(place) {
  const query = new URLSearchParams();
  for (const name of ["user", "channel", "thread", "home"]) {
    if (place[name]) query.set(name, place[name]);
  }
  return `${location.pathname}?${query}`;
}

/** The nearest place that exists in the snapshot. */
export function settle(place, snapshot) {
  const known = snapshot.channels.some((room) => room.id === place.channel);
  const home = snapshot.apps.some((app) => app.id === place.home) ? place.home : "";
  const first = snapshot.channels.find((room) => !room.is_im) ?? snapshot.channels[0];
  return {
    user: snapshot.me.id,
    channel: known ? place.channel : home ? "" : (first?.id ?? ""),
    thread: known ? place.thread : "",
    home: known ? "" : home,
  };
}
