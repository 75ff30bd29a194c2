// The basket: hidden inputs with the tokens of what is ticked; the server shows what they mean.
(() => {
  const form = document.getElementById("transfer-form");
  const inputs = document.getElementById("basket-inputs");
  // Fields that change what the basket says.
  const redrawn = new Set(["profile", "destination", "archive", "convert_to_nifti"]);
  let asking = null;

  const of = (key) => [...inputs.querySelectorAll("input")].filter((input) => input.dataset.key === key);

  function add(name, key, token, seriesUid) {
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = name;
    input.value = token;
    input.dataset.key = key;
    if (seriesUid) input.dataset.seriesUid = seriesUid;
    inputs.append(input);
  }

  const basket = {
    // "" (not in the basket), "whole" or "part".
    state(key) {
      const own = of(key);
      if (!own.length) return "";
      return own.some((input) => input.name === "series") ? "part" : "whole";
    },
    hasSeries(key, seriesUid) {
      return of(key).some((input) => input.dataset.seriesUid === seriesUid);
    },
    // Puts a study in as a whole, or only some of its series: [{ uid, token }].
    put(key, token, series = []) {
      for (const input of of(key)) input.remove();
      add("study", key, token);
      for (const one of series) add("series", key, one.token, one.uid);
    },
    remove(key) {
      for (const input of of(key)) input.remove();
    },
    // Shows the basket anew after a change.
    refresh,
  };

  // The password is sent once, with the job.
  function draft() {
    const data = new FormData(form);
    data.delete("archive_password");
    return data;
  }

  async function refresh() {
    document.dispatchEvent(new CustomEvent("basket:changed"));
    if (asking) asking.abort();
    const mine = (asking = new AbortController());
    try {
      const answer = await fetch(form.dataset.basket, {
        method: "POST",
        body: draft(),
        headers: { "X-Requested-With": "fetch" },
        signal: mine.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      if (mine === asking) show(html);
    } catch (error) {
      if (error.name === "AbortError") return;
      const text = "The basket cannot be shown: the server does not answer as it should. Reload the page.";
      document.dispatchEvent(new CustomEvent("adit:toast", { detail: { text, level: "error" } }));
    }
  }

  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("basket");
    if (!fresh) throw new Error("no basket");
    const focused = document.activeElement?.id;
    const typed = new Map();
    for (const input of document.querySelectorAll("#pseudonyms input")) typed.set(input.name, input.value);
    for (const part of ["basket-notes", "basket-list", "pseudonyms"]) {
      const source = fresh.querySelector(`#${part}`);
      document.getElementById(part).replaceChildren(...source.childNodes);
    }
    // What was typed while the server answered is not lost.
    for (const input of document.querySelectorAll("#pseudonyms input")) {
      if (typed.has(input.name)) input.value = typed.get(input.name);
    }
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
    const kept = new Set([...document.querySelectorAll("#basket-list tr[data-key]")].map((row) => row.dataset.key));
    for (const input of [...inputs.querySelectorAll("input")]) {
      if (!kept.has(input.dataset.key)) input.remove();
    }
    document.getElementById("transfer-errors")?.remove();
    document.getElementById("transfer-button").disabled = kept.size === 0;
    for (const count of document.querySelectorAll("[data-basket-count]")) count.textContent = kept.size;
    document.dispatchEvent(new CustomEvent("basket:changed"));
  }

  document.getElementById("transfer").addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button) return;
    basket.remove(button.dataset.remove);
    document.getElementById("transfer-title").focus();
    refresh();
  });
  form.addEventListener("change", (event) => {
    if (event.target.closest("#pseudonyms") || redrawn.has(event.target.name)) refresh();
  });

  window.selectiveBasket = basket;
})();
