// The search form and its WebSocket. Answers name the search that they belong to.
(() => {
  const form = document.getElementById("search-form");
  const status = document.getElementById("search-status");
  const button = document.getElementById("search-button");
  const cancel = document.getElementById("search-cancel");
  const results = window.selectiveResults;
  const WORDS = { warning: "bi-exclamation-triangle", error: "bi-x-octagon" };
  let socket = null;
  let number = 0;
  let running = false;

  function say(text, level = "info") {
    status.replaceChildren();
    status.classList.toggle("note", level !== "info");
    status.classList.toggle("soft", level === "info");
    status.classList.toggle("note-warning", level === "warning");
    status.classList.toggle("note-error", level === "error");
    if (WORDS[level]) {
      const icon = document.createElement("i");
      icon.className = `bi ${WORDS[level]} me-1`;
      icon.setAttribute("aria-hidden", "true");
      status.append(icon);
    }
    status.append(text);
  }

  function setRunning(now) {
    running = now;
    cancel.hidden = !now;
    document.getElementById("results").setAttribute("aria-busy", String(now));
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}${form.dataset.socket}`);
    socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => {
      if (event.target !== socket) return;
      socket = null;
      if (!running) return;
      setRunning(false);
      say("The connection to the server was lost. Search again, or reload the page.", "error");
    });
  }

  function send(message) {
    if (!socket) connect();
    const text = JSON.stringify({ search: number, ...message });
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
    else {
      const waiting = socket;
      waiting.addEventListener("open", () => waiting.send(text), { once: true });
    }
  }

  function receive(message) {
    if (message.search !== number) return;
    if (message.type === "started") say(`Searching ${message.source} …`);
    else if (message.type === "rows") results.add(message.html);
    else if (message.type === "series") results.showSeries(message.key, message.html);
    else if (message.type === "end") {
      setRunning(false);
      say(message.text, message.level);
    } else if (message.type === "invalid") {
      setRunning(false);
      say("");
      results.invite();
      showErrors(message.errors);
    } else if (message.type === "error") {
      setRunning(false);
      say(message.text, "error");
    }
  }

  function clearErrors() {
    document.getElementById("search-error").textContent = "";
    for (const error of form.querySelectorAll(".field > .field-error")) error.remove();
    for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }

  function showErrors(errors) {
    let first = null;
    for (const [name, text] of Object.entries(errors)) {
      const input = name && document.getElementById(`id_${name}`);
      if (!input) {
        document.getElementById("search-error").textContent = text;
        continue;
      }
      const error = document.createElement("div");
      error.className = "field-error";
      error.id = `id_${name}_error`;
      error.textContent = text;
      input.closest(".field").append(error);
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", error.id);
      first = first || input;
    }
    (first || document.getElementById("id_patient_id")).focus();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const data = new FormData(form);
    const fields = Object.fromEntries(data.entries());
    fields.modalities = data.getAll("modalities");
    number += 1;
    clearErrors();
    results.clear();
    setRunning(true);
    say("Connecting …");
    send({ type: "search", fields });
  });

  cancel.addEventListener("click", () => {
    send({ type: "cancel" });
    button.focus();
  });

  window.selectiveSearch = { send };
  if (form.dataset.socket) connect();
  else form.addEventListener("submit", (event) => event.preventDefault());
})();
