// Light and dark: as the system says until a person chooses.

import { loadTheme, saveTheme } from "../act/remember.js";
import { setIcon } from "./dom.js";

export function mountTheme(app) {
  const system = matchMedia("(prefers-color-scheme: light)");
  const current = () => loadTheme() ?? (system.matches ? "light" : "dark");
  const show = () => {
    const theme = current();
    document.documentElement.dataset.theme = theme;
    app.store.set({ theme });
    const button = document.querySelector('[data-command="theme"]');
    if (button) setIcon(button, theme === "light" ? "moon" : "sun");
  };
  system.addEventListener("change", show);
  app.act.toggleTheme = () => {
    saveTheme(current() === "light" ? "dark" : "light");
    show();
  };
  show();
}
