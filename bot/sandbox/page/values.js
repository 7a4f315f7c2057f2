// From Slack's state objects and initial_… fields to what a field shows, and from there to what the sandbox is told.
// Never touches the document.

/** The words of a text object or a string. */
export const said = (text) => (typeof text === "string" ? text : (text?.text ?? ""));

const TEXT = ["value", "selected_date", "selected_time", "selected_date_time", "selected_user", "selected_users",
  "selected_channel", "selected_channels", "selected_conversation", "selected_conversations", "selected_option",
  "selected_options"];
const INITIAL = ["initial_value", "initial_date", "initial_time", "initial_date_time", "initial_user", "initial_users",
  "initial_channel", "initial_channels", "initial_conversation", "initial_conversations", "initial_option",
  "initial_options"];

const first = (object, names) => names.map((name) => object?.[name]).find((value) => value !== undefined && value !== null);

/** What the field holds now: the sandbox's state wins over the element's initial value. */
export function held(element, state) {
  return state ? (first(state, TEXT) ?? null) : (first(element, INITIAL) ?? null);
}

/** What the sandbox is told for one option. Searched options carry their label, for nobody else knows it. */
export function told(item) {
  return item.searched ? { value: item.value, label: item.label } : item.value;
}

/** An option object of Slack as an item of a list. */
export function itemOf(option, extra = {}) {
  return { value: option.value, label: said(option.text), description: said(option.description), ...extra };
}

/** Options and option groups as [{label, items}], a group without label for plain options. */
export function groupsOf(holder, extra = {}) {
  const groups = holder.option_groups?.map((group) => ({
    label: said(group.label),
    items: (group.options ?? []).map((option) => itemOf(option, extra)),
  }));
  return groups ?? [{ label: "", items: (holder.options ?? []).map((option) => itemOf(option, extra)) }];
}

/** Epoch seconds <-> the local text of a datetime-local input. */
export function localText(seconds) {
  if (seconds === null || seconds === undefined || seconds === "") return "";
  const when = new Date(Number(seconds) * 1000);
  const pad = (n) => `${n}`.padStart(2, "0");
  const day = `${when.getFullYear()}-${pad(when.getMonth() + 1)}-${pad(when.getDate())}`;
  return `${day}T${pad(when.getHours())}:${pad(when.getMinutes())}`;
}

export const epoch = (text) => (text ? Math.floor(new Date(text).getTime() / 1000) : null);
