// The tasks that are ticked in the table of a job, over its pages, for an action on all of them.

(() => {
  const CHUNK = 100;
  const picked = new Set();
  // All that fit the filter, also those on other pages.
  let every = false;
  let refocus = false;

  const page = () => document.getElementById("tasks-page");
  const boxes = () => [...document.querySelectorAll("[data-pick]")];
  const matches = () => Number(page()?.dataset.matches ?? 0);
  const count = () => (every ? matches() : picked.size);
  const tasks = (number) => (number === 1 ? "1 task" : `${number} tasks`);

  function show() {
    const bar = document.getElementById("bulk-bar");
    const had = bar.contains(document.activeElement);
    const all = boxes();
    for (const box of all) {
      box.checked = every || picked.has(box.dataset.pick);
      box.closest("tr").classList.toggle("chosen", box.checked);
    }
    const head = document.querySelector("[data-pick-all]");
    if (head) {
      const ticked = all.filter((box) => box.checked).length;
      head.checked = ticked > 0 && ticked === all.length;
      head.indeterminate = ticked > 0 && ticked < all.length;
    }
    const words = every ? `All ${tasks(count())} that fit are selected` : `${tasks(count())} selected`;
    for (const place of document.querySelectorAll("[data-pick-count]")) {
      if (place.textContent !== words) place.textContent = words;
    }
    const more = document.querySelector("[data-pick-every]");
    more.hidden = every || !head?.checked || matches() <= picked.size;
    more.textContent = `Select all ${tasks(matches())} that fit`;
    bar.hidden = count() === 0;
    // Of those on the screen it is known what could be done now; of others the server tells.
    const fits = new Map(all.map((box) => [box.dataset.pick, box.dataset.fits.split(" ")]));
    const mayFit = (pk, name) => !fits.has(pk) || fits.get(pk).includes(name);
    for (const button of bar.querySelectorAll("[data-bulk-action]")) {
      const name = button.dataset.bulkAction;
      const possible = every || [...picked].some((pk) => mayFit(pk, name));
      button.disabled = !possible;
      button.title = possible ? "" : "None of the selected tasks is in a state that allows it.";
    }
    if (had && isFocusLost()) giveFocus(bar.querySelector("button:not([disabled])"));
  }

  function clear() {
    picked.clear();
    every = false;
  }

  function tick(box, on) {
    if (on) picked.add(box.dataset.pick);
    else picked.delete(box.dataset.pick);
  }

  document.addEventListener("change", (event) => {
    const one = event.target.matches("[data-pick]");
    if (!one && !event.target.matches("[data-pick-all]")) return;
    if (every) {
      every = false;
      for (const box of boxes()) tick(box, true);
    }
    for (const box of one ? [event.target] : boxes()) tick(box, event.target.checked);
    show();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-pick-every]")) every = true;
    else if (event.target.closest("[data-pick-none]")) {
      clear();
      document.querySelector("[data-pick-all]")?.focus();
    } else return;
    show();
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, parameters } = event.detail;
    if (!elt.matches("[data-bulk]")) {
      // Another filter or search shows other tasks; sorting and paging show more of the same.
      if (elt.id === "task-filter") clear();
      return;
    }
    if (every) {
      parameters.every = "1";
      return;
    }
    const ids = [...picked];
    const chunks = [];
    for (let i = 0; i < ids.length; i += CHUNK) chunks.push(ids.slice(i, i + CHUNK).join(","));
    parameters.task = chunks;
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.elt.matches("[data-bulk]") || event.detail.xhr.status !== 200) return;
    clear();
    show();
    refocus = true;
  });
  document.addEventListener("htmx:afterSettle", () => {
    show();
    // The bar with the button that had the focus is gone.
    if (refocus && isFocusLost()) giveFocus();
    refocus = false;
  });
  document.addEventListener("htmx:oobAfterSwap", show);
  document.addEventListener("htmx:wsAfterMessage", show);
  document.addEventListener("DOMContentLoaded", show);
})();
