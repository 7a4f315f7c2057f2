// Light or dark: the system's wish until the person chooses; the choice stays in this browser.
// Never touches colours, the style sheet does.

const KEY = "sandbox-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function themeSwitch(onChange) {
  const chosen = () => localStorage.getItem(KEY);
  const dark = () => (chosen() ? chosen() === "dark" : system.matches);
  const apply = () => {
    document.documentElement.dataset.theme = dark() ? "dark" : "light";
    onChange();
  };
  const toggle = () => {
    localStorage.setItem(KEY, dark() ? "light" : "dark");
    apply();
  };
  system.addEventListener("change", apply);
  document.documentElement.dataset.theme = dark() ? "dark" : "light";
  return { dark, toggle };
}
