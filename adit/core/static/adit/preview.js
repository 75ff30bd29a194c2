// Filters the rows of a preview by what happens and by text. Previews may come later, so one
// listener serves all of them.
(() => {
  function apply(preview) {
    const status = preview.querySelector("[data-preview-status]:checked")?.value ?? "";
    const words = (preview.querySelector("[data-preview-search]")?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of preview.querySelectorAll("tr[data-status]")) {
      const text = words.length ? row.textContent.toLowerCase() : "";
      row.hidden = Boolean(status && row.dataset.status !== status) || !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    const none = preview.querySelector("[data-preview-none]");
    if (none) none.hidden = shown > 0;
  }

  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      if (!event.target.matches("[data-preview-status], [data-preview-search]")) return;
      apply(event.target.closest("[data-preview]"));
    });
  }

  // Asking a PACS takes its time.
  document.addEventListener("submit", (event) => {
    const text = event.target.dataset.busy;
    if (text) document.dispatchEvent(new CustomEvent("adit:toast", { detail: { text, level: "info" } }));
  });
})();
