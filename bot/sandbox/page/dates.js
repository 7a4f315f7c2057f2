// Times in words: of messages, of day dividers and of Slack's <!date^…> formats, in the person's own zone.
// Never asks the clock for more than "now".

const make = (options) => new Intl.DateTimeFormat(undefined, options);
const TIME = make({ hour: "numeric", minute: "2-digit" });
const SECONDS = make({ hour: "numeric", minute: "2-digit", second: "2-digit" });
const LONG = make({ weekday: "long", month: "long", day: "numeric", year: "numeric" });
const MEDIUM = make({ month: "long", day: "numeric", year: "numeric" });
const SHORT = make({ month: "short", day: "numeric", year: "numeric" });
const NUMERIC = make({ year: "numeric", month: "2-digit", day: "2-digit" });
const FULL = make({ dateStyle: "full", timeStyle: "medium" });

/** The moment of a message timestamp such as "1700000000.000100". */
export const moment = (ts) => new Date(Number(ts) * 1000);
export const clock = (ts) => TIME.format(moment(ts));
export const full = (ts) => FULL.format(moment(ts));
export const dayKey = (ts) => moment(ts).toDateString();

/** Today, Yesterday or the long date, as day dividers say it. */
export function dayName(ts) {
  return pretty(moment(ts)) ?? LONG.format(moment(ts));
}

/** "today at 9:41 AM" for the last reply of a thread. */
export function replyTime(ts) {
  const day = pretty(moment(ts));
  return `${day ? day.toLowerCase() : SHORT.format(moment(ts))} at ${clock(ts)}`;
}

/** Slack's date formats; the fallback when the stamp is none. */
export function dateOf(seconds, format, fallback) {
  const when = new Date(seconds * 1000);
  if (!format || Number.isNaN(when.getTime())) return fallback ?? "";
  return format.replace(/\{([a-z_]+)\}/g, (whole, token) => tokens(token, when) ?? whole);
}

function tokens(token, when) {
  const bare = token.replace(/_pretty$/, "");
  if (bare !== token || token === "date_pretty") {
    const day = pretty(when);
    if (day) return day.toLowerCase();
  }
  const forms = { date: MEDIUM, date_short: SHORT, date_long: LONG, time: TIME, time_secs: SECONDS, day_divider: LONG };
  if (bare === "date_num") return NUMERIC.format(when).replace(/(\d+)\/(\d+)\/(\d+)/, "$3-$1-$2");
  if (bare === "ago") return ago(when);
  return forms[bare]?.format(when) ?? null;
}

function pretty(when) {
  const days = Math.round((midnight(new Date()) - midnight(when)) / 86_400_000);
  return { 0: "Today", 1: "Yesterday" }[days] ?? null;
}

const midnight = (when) => new Date(when.getFullYear(), when.getMonth(), when.getDate()).getTime();

function ago(when) {
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const seconds = Math.round((when - Date.now()) / 1000);
  for (const [unit, size] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return words.format(Math.round(seconds / size), unit);
  }
  return words.format(seconds, "second");
}
