// Runs in the head before anything is painted, so that the theme never flickers.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = root.dataset.theme || "auto";
    root.dataset.bsTheme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
  };
  dark.addEventListener("change", apply);
  document.addEventListener("adit:theme", (event) => {
    root.dataset.theme = event.detail.value;
    apply();
  });
  apply();
})();
