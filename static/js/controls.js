// Small controls: copy buttons, the "/" key, themes, menus, focus on a refused form.
const FILTERS = "[data-filter], .filter-bar input:not([type=hidden])";

export function startControls(announce) {
  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) copyText(copy, announce);
    const theme = event.target.closest("[data-theme-value]");
    if (theme) chooseTheme(theme.dataset.themeValue);
    closeMenus(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus(null);
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey) focusFilter(event);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-submit-on-change]");
    if (form) form.requestSubmit();
  });
  markTheme();
  document.querySelector("[data-focus]")?.focus();
}

async function copyText(button, announce) {
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // The clipboard needs a secure context and a permission: leave the text selected instead.
    getSelection().selectAllChildren(source);
    return;
  }
  const label = button.querySelector("span");
  const before = label.textContent;
  label.textContent = button.dataset.copied;
  announce(button.dataset.copied);
  setTimeout(() => (label.textContent = before), 2000);
}

function focusFilter(event) {
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const filter = [...document.querySelectorAll(FILTERS)].find((field) => field.offsetParent);
  if (!filter) return;
  event.preventDefault();
  filter.focus();
  filter.select?.();
}

function chooseTheme(value) {
  try {
    localStorage.setItem("fleet-theme", value);
  } catch {
    return;
  }
  window.dispatchEvent(new Event("fleet:theme"));
  markTheme();
}

function markTheme() {
  const chosen = document.documentElement.dataset.fleetTheme;
  for (const button of document.querySelectorAll("[data-theme-value]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeValue === chosen));
  }
}

function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!target || !menu.contains(target)) menu.open = false;
  }
}
