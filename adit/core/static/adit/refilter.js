// A table of tasks that shows those of one state: rows that leave the state leave the table, and what
// enters it comes. Ticks, focus and place stay.

(() => {
  const PAUSE_SECONDS = 2;

  let waiting = null;
  // Where the focus and the table were when it was asked for anew.
  let kept = null;

  const asker = () => document.getElementById("task-refilter");
  const box = () => document.querySelector("#tasks [data-keep-scroll]");
  const rows = () => [...document.querySelectorAll("#tasks tbody tr")];

  function differs() {
    const shown = document.getElementById("tasks-page");
    if (!shown?.dataset.state) return false;
    const { state, matches } = shown.dataset;
    if (rows().some((row) => row.querySelector("[data-state]").dataset.state !== state)) return true;
    // How many a search finds, nobody counts meanwhile.
    if ("searched" in shown.dataset) return false;
    const count = document.querySelector(`#job-live [data-count-of="${state}"]`);
    return Number.parseInt(count?.textContent ?? "0", 10) !== Number(matches);
  }

  function look() {
    if (waiting || !differs()) return;
    waiting = setTimeout(() => {
      waiting = null;
      // Who is about to decide about the rows keeps them.
      if (document.querySelector("dialog[open]")) look();
      else if (differs()) htmx.trigger(asker(), "adit:refilter");
    }, PAUSE_SECONDS * 1000);
  }

  // How far below the top of the table's box a row lies.
  const below = (row) => row.getBoundingClientRect().top - box().getBoundingClientRect().top;

  const isOurs = (event) => event.detail.requestConfig?.elt === asker();

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isOurs(event)) return;
    const active = document.activeElement;
    const all = rows();
    const at = all.findIndex((row) => row.contains(active));
    kept = {
      // What is on the screen stays where it is.
      seen: all.map((row) => [row.id, below(row)]).filter(([, top]) => top >= 0),
      within: box()?.contains(active),
      part: active?.matches("[data-pick]") ? "[data-pick]" : "a",
      // Where the focus may go when its row leaves: the rows after it, then those before.
      heirs: [...all.slice(at), ...all.slice(0, at).reverse()].map((row) => row.id),
    };
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (!kept || !isOurs(event)) return;
    const { seen, within, part, heirs } = kept;
    kept = null;
    const [id, top] = seen.find(([id]) => document.getElementById(id)) ?? [];
    if (id) box().scrollTop += below(document.getElementById(id)) - top;
    if (!within || document.activeElement !== document.body) return;
    const heir = heirs.map((id) => document.getElementById(id)).find((row) => row);
    (heir?.querySelector(part) ?? document.getElementById("task-state")).focus({ preventScroll: true });
  });

  document.addEventListener("htmx:oobAfterSwap", look);
})();
