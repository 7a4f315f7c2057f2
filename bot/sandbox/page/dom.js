// Turns descriptions of elements into DOM and later descriptions into the smallest change.
// A node whose key and tag stay is never made anew, so focus, caret, scroll and typed text survive.
// Never knows what is drawn.

/** Describe an element. `props`: attributes, `onclick`… handlers, `key`, `ref` (called once). */
export function h(tag, props, ...kids) {
  const { key = null, ...rest } = props ?? {};
  return { tag, key, props: rest, kids };
}

/** Describe a part that keeps state of its own: `make(props)` gives {node, update(props), close?()}. */
export function widget(make, key, props) {
  return { make, key, props };
}

/** A small drawing from a constant of this program (never from a message). */
export function icon(name) {
  return h("span", { class: `icon icon-${name}`, "aria-hidden": "true", markup: ICONS[name] });
}

/** Make the children of `host` what `kids` describes. Only ever call it on hosts filled by it. */
export function patch(host, ...kids) {
  const before = host.drawn ?? [];
  const after = claim(flatten(kids), before);
  const kept = new Set(after.map((entry) => entry.node));
  for (const entry of before) {
    if (!kept.has(entry.node)) drop(entry);
  }
  let cursor = host.firstChild;
  for (const entry of after) {
    if (entry.node === cursor) cursor = cursor.nextSibling;
    else host.insertBefore(entry.node, cursor);
  }
  host.drawn = after;
}

function flatten(kids, out = []) {
  for (const kid of kids) {
    if (Array.isArray(kid)) flatten(kid, out);
    else if (kid && kid !== true) out.push(kid);
  }
  return out;
}

// Without a key the tag and the first class tell siblings apart, so that a part which comes or goes does not
// make the next one anew.
function nameOf(kid, counts) {
  const kind = typeof kid !== "object" ? "#text" : kid.make ? kid.make.name : `${kid.tag}.${`${kid.props.class ?? ""}`.split(" ")[0]}`;
  const base = kid.key === null || kid.key === undefined ? `${kind}` : `${kind}!${kid.key}`;
  const n = (counts.get(base) ?? 0) + 1;
  counts.set(base, n);
  return `${base}@${n}`;
}

function claim(kids, before) {
  const old = new Map(before.map((entry) => [entry.name, entry]));
  const counts = new Map();
  return kids.map((kid) => {
    const name = nameOf(kid, counts);
    const entry = old.get(name);
    return entry ? renew(entry, kid) : create(name, kid);
  });
}

function create(name, kid) {
  if (typeof kid !== "object") return { name, kid, node: document.createTextNode(`${kid}`) };
  if (kid.make) {
    const part = kid.make(kid.props);
    return { name, kid, part, node: part.node };
  }
  const node = document.createElement(kid.tag);
  setProps(node, {}, kid.props);
  if (!("markup" in kid.props)) patch(node, kid.kids);
  kid.props.ref?.(node);
  return { name, kid, node };
}

function renew(entry, kid) {
  if (typeof kid !== "object") {
    if (entry.node.data !== `${kid}`) entry.node.data = `${kid}`;
  } else if (kid.make) {
    entry.part.update(kid.props);
  } else {
    setProps(entry.node, entry.kid.props, kid.props);
    if (!("markup" in kid.props)) patch(entry.node, kid.kids);
  }
  return { ...entry, kid };
}

function drop(entry) {
  entry.part?.close?.();
  for (const kid of entry.node.drawn ?? []) drop(kid);
  entry.node.remove();
}

function setProps(node, before, after) {
  for (const name of Object.keys(before)) {
    if (!(name in after)) setProp(node, name, null);
  }
  for (const [name, value] of Object.entries(after)) {
    if (before[name] !== value) setProp(node, name, value);
  }
}

function setProp(node, name, value) {
  if (name === "ref") return;
  if (name === "markup") node.innerHTML = value ?? "";
  else if (name.startsWith("on")) node[name] = value;
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

/** A stable DOM id from any text (block and action ids may hold every character). */
export function domId(...parts) {
  const text = parts.join("\u0000");
  if (!ids.has(text)) ids.set(text, `n${ids.size + 1}`);
  return ids.get(text);
}

const ids = new Map();

const line = (body) =>
  `<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">${body}</svg>`;

const ICONS = {
  close: line('<path d="M5 5l10 10M15 5L5 15"/>'),
  send: `<svg viewBox="0 0 20 20" fill="currentColor"><path d="M3 3.2l14.4 6.8L3 16.8l1.8-5.7 6.4-1.1-6.4-1.1z"/></svg>`,
  thread: line('<path d="M4 4h12v9H9l-3.5 3v-3H4z"/><path d="M7 7.5h6M7 10h4"/>'),
  down: line('<path d="M6 8l4 4 4-4"/>'),
  more: `<svg viewBox="0 0 20 20" fill="currentColor"><circle cx="4.5" cy="10" r="1.5"/><circle cx="10" cy="10" r="1.5"/><circle cx="15.5" cy="10" r="1.5"/></svg>`,
  file: line('<path d="M5 2.8h6.5L15 6.3v10.9H5z"/><path d="M11.3 3v3.5H15M7.5 10h5M7.5 13h5"/>'),
  download: line('<path d="M10 3.5v8.5M6.5 9l3.5 3.5L13.5 9M4 16h12"/>'),
  eye: line('<path d="M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5z"/><circle cx="10" cy="10" r="2"/>'),
  lock: line('<rect x="5" y="9" width="10" height="7" rx="1.5"/><path d="M7 9V6.8a3 3 0 0 1 6 0V9"/>'),
  sun: line('<circle cx="10" cy="10" r="3.2"/><path d="M10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M15.3 4.7l-1.4 1.4M6.1 13.9l-1.4 1.4"/>'),
  moon: line('<path d="M16 11.6A6.5 6.5 0 0 1 8.4 4 6.5 6.5 0 1 0 16 11.6z"/>'),
  warning: line('<path d="M10 3.2L17.5 16h-15z"/><path d="M10 8v4M10 14.2v.1"/>'),
  info: line('<circle cx="10" cy="10" r="7"/><path d="M10 9.2V14M10 6.4v.1"/>'),
  app: line('<rect x="3.5" y="3.5" width="5.2" height="5.2" rx="1.2"/><rect x="11.3" y="3.5" width="5.2" height="5.2" rx="1.2"/><rect x="3.5" y="11.3" width="5.2" height="5.2" rx="1.2"/><rect x="11.3" y="11.3" width="5.2" height="5.2" rx="1.2"/>'),
};
