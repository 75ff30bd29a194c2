// The table of results: ticks, series, sorting, arrow keys.
(() => {
  const table = document.getElementById("results");
  const body = table.tBodies[0];
  const all = document.getElementById("select-all");
  const basket = window.selectiveBasket;
  const studies = () => [...body.rows].filter((row) => row.dataset.key);
  const tickOf = (row) => row.querySelector("[data-tick]");
  const innerOf = (row) => [...body.rows].find((other) => other.dataset.of === row.id);
  const rowOf = (inner) => document.getElementById(inner.dataset.of);

  function showTicks() {
    const states = [];
    for (const row of studies()) {
      const state = basket.state(row.dataset.key);
      states.push(state);
      const tick = tickOf(row);
      tick.checked = state === "whole";
      tick.indeterminate = state === "part";
      row.classList.toggle("chosen", state !== "");
      for (const series of innerOf(row)?.querySelectorAll("[data-series-uid]") ?? []) {
        const chosen = state === "whole" || basket.hasSeries(row.dataset.key, series.dataset.seriesUid);
        series.querySelector("[data-tick-series]").checked = chosen;
      }
    }
    const whole = states.filter((state) => state === "whole").length;
    all.checked = states.length > 0 && whole === states.length;
    all.indeterminate = !all.checked && states.some((state) => state !== "");
  }

  function tickSeries(inner) {
    const row = rowOf(inner);
    const boxes = [...inner.querySelectorAll("[data-tick-series]")];
    const chosen = boxes.filter((box) => box.checked);
    if (!chosen.length) basket.remove(row.dataset.key);
    else if (chosen.length === boxes.length) basket.put(row.dataset.key, tickOf(row).value);
    else {
      const series = chosen.map((box) => ({ uid: box.closest("tr").dataset.seriesUid, token: box.value }));
      basket.put(row.dataset.key, tickOf(row).value, series);
    }
    basket.refresh();
  }

  body.addEventListener("change", (event) => {
    const row = event.target.closest("tr");
    if (event.target.matches("[data-tick]")) {
      if (event.target.checked) basket.put(row.dataset.key, event.target.value);
      else basket.remove(row.dataset.key);
      basket.refresh();
    } else if (event.target.matches("[data-tick-series]")) {
      tickSeries(event.target.closest("tr.inner"));
    }
  });

  all.addEventListener("change", () => {
    for (const row of studies()) {
      if (!all.checked) basket.remove(row.dataset.key);
      else if (basket.state(row.dataset.key) !== "whole") basket.put(row.dataset.key, tickOf(row).value);
    }
    basket.refresh();
  });

  function expand(row, button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    const icon = button.querySelector(".bi");
    icon.classList.toggle("bi-chevron-right", !open);
    icon.classList.toggle("bi-chevron-down", open);
    let inner = innerOf(row);
    if (inner) {
      inner.hidden = !open;
      return;
    }
    inner = document.createElement("tr");
    inner.className = "inner";
    inner.dataset.of = row.id;
    const cell = inner.insertCell();
    cell.colSpan = row.cells.length;
    const words = document.createElement("p");
    words.className = "soft m-2";
    words.setAttribute("role", "status");
    words.textContent = "Asking for the series …";
    cell.append(words);
    row.after(inner);
    window.selectiveSearch.send({ type: "series", token: tickOf(row).value });
  }

  body.addEventListener("click", (event) => {
    const button = event.target.closest("[data-expand]");
    if (button) expand(button.closest("tr"), button);
  });

  body.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches("[data-tick]")) return;
    const rows = studies();
    const next = rows[rows.indexOf(event.target.closest("tr")) + step];
    if (next) tickOf(next).focus();
    event.preventDefault();
  });

  // A sorted table stays sorted while rows come.
  function sortAgain() {
    const head = table.tHead.querySelector("th[aria-sort]");
    if (!head) return;
    if (head.getAttribute("aria-sort") === "ascending") head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", "ascending");
    window.sortTable(head.querySelector("button.sort"));
  }

  function fragment(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  }

  window.selectiveResults = {
    clear() {
      body.replaceChildren();
      document.getElementById("results-box").hidden = true;
      document.getElementById("results-empty").hidden = true;
      showTicks();
    },
    invite() {
      document.getElementById("results-empty").hidden = false;
    },
    add(html) {
      body.append(fragment(html));
      document.getElementById("results-box").hidden = false;
      sortAgain();
      showTicks();
    },
    showSeries(key, html) {
      const row = document.getElementById(`study-${key}`);
      const inner = row && innerOf(row);
      if (!inner) return;
      inner.replaceChildren(...fragment(html).childNodes);
      showTicks();
    },
  };
  document.addEventListener("basket:changed", showTicks);
})();
