// Takes over Airflow's colours before anything is painted: this page is an iframe of the same origin.
(() => {
  "use strict";
  const root = document.documentElement;
  const tokens = {
    "--bg": "bg",
    "--bg-subtle": "bg-subtle",
    "--bg-muted": "bg-muted",
    "--border": "border",
    "--fg": "fg",
    "--fg-muted": "fg-muted",
    "--accent": "brand-solid",
  };

  function outer() {
    try {
      return window.parent !== window && window.parent.document ? window.parent.document.documentElement : null;
    } catch {
      return null; // framed by another origin, which the policy forbids
    }
  }

  function isDark(frame) {
    if (frame && (frame.classList.contains("dark") || frame.classList.contains("light"))) {
      return frame.classList.contains("dark");
    }
    let kept = null;
    try {
      kept = localStorage.getItem("theme");
    } catch {
      /* storage is off */
    }
    return kept === "dark" || (kept !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  }

  function apply() {
    const frame = outer();
    const dark = isDark(frame);
    root.dataset.theme = dark ? "dark" : "light";
    root.style.colorScheme = dark ? "dark" : "light";
    if (frame) {
      const style = getComputedStyle(frame);
      for (const [name, token] of Object.entries(tokens)) {
        const value = style.getPropertyValue(`--chakra-colors-${token}`).trim();
        if (value) root.style.setProperty(name, value);
        else root.style.removeProperty(name);
      }
    }
    window.dispatchEvent(new Event("themechange"));
  }

  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  const frame = outer();
  if (frame) new MutationObserver(apply).observe(frame, { attributes: true, attributeFilter: ["class"] });
})();
