// Sets the theme before the first paint, so that a dark room stays dark. Loaded blocking.
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("fleet-theme") || "auto";
    } catch {
      return "auto"; // storage may be forbidden: the system's choice then holds
    }
  };
  const apply = () => {
    const choice = stored();
    const root = document.documentElement;
    root.dataset.bsTheme = choice === "dark" || (choice === "auto" && dark.matches) ? "dark" : "light";
    root.dataset.fleetTheme = choice;
  };
  dark.addEventListener("change", apply);
  window.addEventListener("fleet:theme", apply);
  apply();
})();
