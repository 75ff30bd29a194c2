// What is on the screen of a table of tasks stays where it is, however its rows change. It is asked for
// anew when other tasks belong into it: some were deleted, left the chosen state or entered it; ticks
// and focus stay, too. What a search finds nobody counts, so it is asked again, at a calm pace, when
// tasks of the job have changed their states.

(() => {
  const PAUSE_SECONDS = 2;
  const SEARCH_PAUSE_SECONDS = 5;

  let waiting = null;
  // Where the focus and the rows were when the table was asked for anew.
  let kept = null;

  const asker = () => document.getElementById("task-refilter");
  const box = () => document.querySelector("#tasks [data-keep-scroll]");
  const rows = () => [...document.querySelectorAll("#tasks tbody tr")];

  // How many tasks the job has in each state, as the live part says.
  const counts = () => [...document.querySelectorAll("#job-live [data-count-of]")].map(
    (count) => [count.dataset.countOf, Number.parseInt(count.textContent, 10)],
  );

  const isOther = (row, state) => row.querySelector("[data-state]").dataset.state !== state;

  function differs() {
    const shown = document.getElementById("tasks-page");
    if (!shown) return false;
    const { state, matches, counted } = shown.dataset;
    if (state && rows().some((row) => isOther(row, state))) return true;
    if ("searched" in shown.dataset) {
      return counts().map(([name, number]) => `${name}:${number}`).join(" ") !== counted;
    }
    const those = counts().filter(([name]) => !state || name === state);
    return those.reduce((sum, [, number]) => sum + number, 0) !== Number(matches);
  }

  function look() {
    if (waiting || !differs()) return;
    const searched = "searched" in document.getElementById("tasks-page").dataset;
    waiting = setTimeout(() => {
      waiting = null;
      // Who is about to decide about the rows keeps them.
      if (document.querySelector("dialog[open]")) look();
      else if (differs()) htmx.trigger(asker(), "adit:refilter");
    }, (searched ? SEARCH_PAUSE_SECONDS : PAUSE_SECONDS) * 1000);
  }

  // How far below the top of the table's box a row lies.
  const below = (row) => row.getBoundingClientRect().top - box().getBoundingClientRect().top;

  // The rows from the topmost on the screen on, and where they are.
  const seen = () => rows().map((row) => [row.id, below(row)]).filter(([, top]) => top >= 0);

  function hold(places) {
    const [id, top] = places.find(([id]) => document.getElementById(id)) ?? [];
    if (id) box().scrollTop += below(document.getElementById(id)) - top;
  }

  // Rows come one by one: all of a while are held where the first of them found the table, for what
  // is rounded each time would add up. Who scrolls meanwhile is let go.
  let held = null;
  let letGo = null;
  const isRow = (event) => event.detail.target.matches?.("#tasks tbody tr");

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (!isRow(event)) return;
    held ??= seen();
    clearTimeout(letGo);
    letGo = setTimeout(() => { held = null; }, 500);
  });
  document.addEventListener("htmx:oobAfterSwap", () => { if (held) hold(held); });
  for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    document.addEventListener(name, () => { held = null; }, { passive: true });
  }

  const isOurs = (event) => event.detail.requestConfig?.elt === asker();

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isOurs(event)) return;
    const active = document.activeElement;
    const all = rows();
    const at = all.findIndex((row) => row.contains(active));
    kept = {
      places: seen(),
      within: box()?.contains(active),
      part: active?.matches("[data-pick]") ? "[data-pick]" : "a",
      // Where the focus may go when its row leaves: the rows after it, then those before.
      heirs: [...all.slice(at), ...all.slice(0, at).reverse()].map((row) => row.id),
    };
  });

  // At once, before anything is painted; and again when all has settled.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (kept && isOurs(event)) hold(kept.places);
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (!kept || !isOurs(event)) return;
    const { places, within, part, heirs } = kept;
    kept = null;
    hold(places);
    if (!within || document.activeElement !== document.body) return;
    const heir = heirs.map((id) => document.getElementById(id)).find((row) => row);
    (heir?.querySelector(part) ?? document.getElementById("task-state")).focus({ preventScroll: true });
  });

  document.addEventListener("htmx:oobAfterSwap", look);
})();
