// A small set of emoji by shortcode, the ones that work messages use. The signs that carry a state
// are drawn here, because a machine without an emoji font would show empty boxes for them.
// Never loads a picture.

import { h } from "./dom.js";

const CODES = {
  white_check_mark: "✅", white_large_square: "⬜", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", no_entry: "⛔", no_entry_sign: "🚫",
  red_circle: "🔴", large_green_circle: "🟢", large_yellow_circle: "🟡", large_orange_circle: "🟠", large_blue_circle: "🔵",
  white_circle: "⚪", black_circle: "⚫", hourglass: "⌛", hourglass_flowing_sand: "⏳", clock: "🕐", arrow_right: "➡️",
  arrow_forward: "▶️", double_vertical_bar: "⏸️", black_square_for_stop: "⏹️", arrows_counterclockwise: "🔄", rocket: "🚀",
  tada: "🎉", eyes: "👀", "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", wave: "👋", bulb: "💡", lock: "🔒", unlock: "🔓",
  mag: "🔍", memo: "📝", clipboard: "📋", package: "📦", ferry: "⛴️", ship: "🚢", boat: "⛵", truck: "🚚", hammer_and_wrench: "🛠️",
  wrench: "🔧", gear: "⚙️", fire: "🔥", rotating_light: "🚨", bell: "🔔", question: "❓", exclamation: "❗", information_source: "ℹ️",
  heart: "❤️", smile: "😄", slightly_smiling_face: "🙂", thinking_face: "🤔", pray: "🙏", raised_hands: "🙌", clap: "👏",
  bar_chart: "📊", chart_with_upwards_trend: "📈", calendar: "📅", link: "🔗", paperclip: "📎", snowflake: "❄️", zap: "⚡", star: "⭐",
  stopwatch: "⏱️", file_folder: "📁", octagonal_sign: "🛑", robot_face: "🤖", 100: "💯", point_right: "👉",
  arrows_clockwise: "🔃", heavy_minus_sign: "➖", leftwards_arrow_with_hook: "↩️", sunny: "☀️",
};

const disc = (fill, body = "") => `<circle cx="10" cy="10" r="8" fill="${fill}"/>${body}`;
const stroke = (d, color = "#fff") =>
  `<path d="${d}" fill="none" stroke="${color}" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>`;
const tile = (fill, body) => `<rect x="2" y="2" width="16" height="16" rx="3.5" fill="${fill}"/>${body}`;
const SAND = `<path d="M5 2.5h10M5 17.5h10" stroke="#a8713a" stroke-width="2" stroke-linecap="round"/><path d="M6.3 3.5h7.4c0 3.4-2.2 4.6-2.2 6.5s2.2 3.1 2.2 6.5H6.3c0-3.4 2.2-4.6 2.2-6.5S6.3 6.9 6.3 3.5z" fill="#cfe3ef" stroke="#8fa9b8"/><path d="M7.2 16c.3-2 1.5-2.5 2.8-3.5 1.3 1 2.5 1.5 2.8 3.5z" fill="#e3b04b"/>`;
const PADLOCK = `<rect x="4" y="9" width="12" height="8.5" rx="1.5" fill="#e3a932"/><path d="M6.5 9V6.5a3.5 3.5 0 0 1 7 0V9" fill="none" stroke="#8d8d8d" stroke-width="1.8"/><circle cx="10" cy="13" r="1.4" fill="#7a5a12"/>`;

const DRAWN = {
  "✅": tile("#2fa36b", stroke("M6 10.3l2.8 2.8L14.2 7.3")),
  "↩": tile("#5b7083", stroke("M6 9h6a2.5 2.5 0 0 1 0 5H9M8.5 6.5L6 9l2.5 2.5")),
  "✔": stroke("M4.5 10.5l3.8 3.8L15.8 6", "#2fa36b"),
  "❌": stroke("M4.5 4.5l11 11M15.5 4.5l-11 11", "#e01e5a"),
  "⚠": `<path d="M10 2.2L18.5 17.3h-17z" fill="#f2b824" stroke="#c98f0c" stroke-linejoin="round"/><path d="M10 7.5v4.7M10 14.7v.1" stroke="#4a3500" stroke-width="1.9" stroke-linecap="round"/>`,
  "⛔": disc("#d7263d", '<rect x="5" y="8.6" width="10" height="2.8" rx=".6" fill="#fff"/>'),
  "🚫": `<circle cx="10" cy="10" r="7" fill="none" stroke="#d7263d" stroke-width="2.2"/>${stroke("M5.2 5.2l9.6 9.6", "#d7263d")}`,
  "🛑": `<path d="M6.7 2h6.6L18 6.7v6.6L13.3 18H6.7L2 13.3V6.7z" fill="#d7263d"/>`,
  "🔴": disc("#dd2e44"), "🟢": disc("#3fa55b"), "🟡": disc("#f4c430"), "🟠": disc("#f28c28"), "🔵": disc("#3b88c3"),
  "⚪": '<circle cx="10" cy="10" r="7.5" fill="#f4f4f4" stroke="#b8b8b8"/>', "⚫": disc("#3a3a3a"),
  "⌛": SAND, "⏳": SAND, "🔒": PADLOCK, "🔓": PADLOCK,
  "▶": tile("#3b88c3", '<path d="M7.5 6v8l6.5-4z" fill="#fff"/>'),
  "⏸": tile("#3b88c3", '<path d="M6.8 6h2.2v8H6.8zM11 6h2.2v8H11z" fill="#fff"/>'),
  "⏹": tile("#3b88c3", '<rect x="6.5" y="6.5" width="7" height="7" fill="#fff"/>'),
  "🔄": tile("#3b88c3", stroke("M6 9a4.2 4.2 0 0 1 7.6-1.4M14 11a4.2 4.2 0 0 1-7.6 1.4M13.8 5v2.8H11M6.2 15v-2.8H9").replaceAll("2.2", "1.5")),
  "🔃": tile("#3b88c3", stroke("M7 15V6.5M4.5 9L7 6.2 9.500 9M13 5v8.5M10.5 11l2.500 2.800 2.500-2.800").replaceAll("2.2", "1.5")),
  "➖": stroke("M4 10h12", "#8a8f94"),
  "⬜": '<rect x="3" y="3" width="14" height="14" rx="3" fill="#fff" stroke="#8a8f94" stroke-width="1.6"/>',
  "❄": stroke("M10 2.500v15M3.5 6.2l13 7.6M16.5 6.2l-13 7.6", "#4aa3df").replaceAll("2.2", "1.7"),
  "☀": `<circle cx="10" cy="10" r="3.8" fill="#f2b824"/>${stroke("M10 2.2v2.300M10 15.5v2.300M2.2 10h2.300M15.5 10h2.300M4.5 4.500l1.6 1.600M13.9 13.900l1.6 1.600M15.5 4.500l-1.6 1.600M6.1 13.900l-1.6 1.600", "#f2b824").replaceAll("2.2", "1.6")}`,
  "🚨": '<path d="M5 15.500V10a5 5 0 0 1 10 0v5.500z" fill="#e01e5a"/><rect x="3" y="15" width="14" height="3" rx="1" fill="#8a8f94"/><path d="M8.2 14V10.500c0-1 .8-1.900 1.800-1.900" fill="none" stroke="#fff" stroke-width="1.500" stroke-linecap="round"/>',
  "➡": tile("#3b88c3", stroke("M5.5 10h8.5M10.8 6.5L14.3 10l-3.5 3.5")),
  "ℹ": tile("#3b88c3", stroke("M10 9.5V14M10 6.2v.1")),
  "📦": '<path d="M2.5 6L10 2.5 17.5 6v8.5L10 18l-7.5-3.5z" fill="#c89b66"/><path d="M2.5 6L10 9.5 17.5 6M10 9.5V18" stroke="#946c3c" fill="none"/>',
  "🔍": `<circle cx="8.5" cy="8.5" r="5" fill="#dcecf5" stroke="#5a6b75" stroke-width="1.8"/>${stroke("M12.5 12.5l4.5 4.5", "#5a6b75")}`,
  "📋": '<rect x="4" y="3.5" width="12" height="14.5" rx="1.5" fill="#b98a56"/><rect x="5.8" y="5.5" width="8.4" height="10.8" fill="#fff"/><rect x="7.5" y="2" width="5" height="3.5" rx="1" fill="#8a8f94"/>',
  "🚀": '<path d="M17.5 2.500c-5 0-8.5 3-10.5 8l2 2c5-2 8.5-5.5 8.5-10z" fill="#c9d3da"/><circle cx="12.8" cy="7.2" r="1.7" fill="#3b88c3"/><path d="M7.5 8.500L3.5 9.5 6.8 11zM11.5 12.500l-1 4-1.5-3.300z" fill="#dd2e44"/><path d="M6.5 12.500c-2 .5-3 2-3.5 4 2-.5 3.5-1.5 4-3.500z" fill="#f2b824"/>',
  "👍": '<path d="M2.5 9.5h3.500v8h-3.500z" fill="#3b88c3"/><path d="M6.5 9.500l3.2-6.500c1.5-.3 2.3.9 2 2.300l-.6 3h4.900c1.3 0 1.9 1 1.6 2.200l-1.2 5.200c-.2.9-.9 1.5-1.9 1.500H6.500z" fill="#f4c430"/>',
  "👀": '<ellipse cx="6.3" cy="10" rx="3.6" ry="5" fill="#fff" stroke="#8a8f94"/><ellipse cx="13.7" cy="10" rx="3.6" ry="5" fill="#fff" stroke="#8a8f94"/><circle cx="7.3" cy="11" r="1.9" fill="#333"/><circle cx="14.7" cy="11" r="1.9" fill="#333"/>',
  "📝": `<rect x="3.5" y="2.5" width="11" height="15" rx="1.5" fill="#fff" stroke="#8a8f94"/><path d="M6 6.5h6M6 9.5h6M6 12.5h3.5" stroke="#8a8f94" stroke-linecap="round"/><path d="M10 16.5l.5-2.5 6-6 2 2-6 6z" fill="#f2b824" stroke="#a8713a" stroke-width=".8"/>`,
  "🎉": '<path d="M3 17.5L7.5 6.5l6 6z" fill="#f2b824"/><circle cx="12" cy="4" r="1.2" fill="#e01e5a"/><circle cx="16" cy="8" r="1.2" fill="#3b88c3"/><circle cx="15.5" cy="3.5" r="1" fill="#3fa55b"/><path d="M11 8c1-2 2-2 3-1.5" stroke="#e01e5a" fill="none"/>',
};

let answer = null;

// Without a colour emoji font a browser draws empty boxes; the shortcode says more.
function coloured() {
  if (answer !== null) return answer;
  const pen = Object.assign(document.createElement("canvas"), { width: 20, height: 20 }).getContext("2d", { willReadFrequently: true });
  pen.font = "16px sans-serif";
  pen.fillText("🚀", 0, 16);
  const { data } = pen.getImageData(0, 0, 20, 20);
  answer = data.some((level, i) => i % 4 < 3 && level > 60);
  return answer;
}

const bare = (sign) => sign.replace(/\uFE0F/g, "");
const SIGNS = new Map(Object.entries(CODES).map(([code, sign]) => [bare(sign), code]));
export const SIGN = new RegExp(`(?:${Object.keys(DRAWN).join("|")})\\uFE0F?`, "u");

/** The sign for a shortcode without its colons, or null when the set does not have it. */
export function emojiOf(code) {
  return CODES[code.split("::")[0]] ?? null;
}

/** Draw a sign; the text stays in the document, so that copying and tests find it. */
export function drawEmoji(sign, code = null) {
  const name = code ?? SIGNS.get(bare(sign)) ?? "emoji";
  const picture = DRAWN[bare(sign)];
  const label = name.replaceAll("_", " ");
  if (!picture && !coloured()) return h("span", { class: "emoji-name" }, code || SIGNS.has(bare(sign)) ? `:${name}:` : sign);
  if (!picture) return h("span", { class: "emoji", role: "img", "aria-label": label, title: `:${name}:` }, sign);
  const markup = `<svg viewBox="0 0 20 20" aria-hidden="true">${picture}</svg><span class="sr">${sign}</span>`;
  return h("span", { class: "emoji", role: "img", "aria-label": label, title: `:${name}:`, markup });
}
