// The dialog that shows samples before a transfer. What it showed is gone when it closes.
(() => {
  const dialog = document.getElementById("preview");
  const form = document.getElementById("transfer-form");
  const status = document.getElementById("preview-status");
  const cancel = document.getElementById("preview-cancel");
  const notes = document.getElementById("preview-notes");
  const tabs = document.getElementById("preview-tabs");
  const panels = document.getElementById("preview-panels");
  let socket = null;

  function note(text, level) {
    const box = document.createElement("div");
    box.className = `note note-${level}`;
    if (level === "error") box.setAttribute("role", "alert");
    const words = document.createElement("p");
    words.textContent = text;
    box.append(words);
    notes.append(box);
  }

  function ended(text) {
    status.textContent = text;
    cancel.hidden = true;
  }

  function choose(tab, focus = false) {
    for (const other of tabs.children) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
  }

  function add(message) {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `preview-tab-${message.number}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `preview-panel-${message.number}`);
    tab.textContent = message.label;
    tabs.append(tab);
    tabs.hidden = false;
    const panel = document.createElement("div");
    panel.id = `preview-panel-${message.number}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    const template = document.createElement("template");
    template.innerHTML = message.html;
    panel.append(template.content);
    panels.append(panel);
    choose(tabs.querySelector("[aria-selected=true]") || tab);
  }

  function receive(message) {
    if (message.type === "progress") status.textContent = message.text;
    else if (message.type === "sample") add(message);
    else if (message.type === "note") note(message.text, "warning");
    else if (message.type === "end") ended(message.text);
    else if (message.type === "error") {
      note(message.text, "error");
      ended("");
    } else if (message.type === "invalid") {
      for (const text of message.texts) note(text, "error");
      ended("Complete the form first.");
    }
  }

  function clear() {
    for (const place of [notes, tabs, panels]) place.replaceChildren();
    tabs.hidden = true;
    status.textContent = "";
  }

  function open() {
    clear();
    dialog.showModal();
    cancel.hidden = false;
    status.textContent = "Connecting …";
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = (socket = new WebSocket(`${scheme}//${location.host}${dialog.dataset.socket}`));
    mine.addEventListener("open", () => {
      const fields = [...new FormData(form).entries()].filter(([name]) => name !== "csrfmiddlewaretoken");
      mine.send(JSON.stringify({ type: "preview", fields }));
    });
    mine.addEventListener("message", (event) => {
      if (mine === socket) receive(JSON.parse(event.data));
    });
    mine.addEventListener("close", () => {
      if (mine !== socket || cancel.hidden) return;
      note("The connection to the server was lost. Try again, or reload the page.", "error");
      ended("");
    });
  }

  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  tabs.addEventListener("keydown", (event) => {
    const all = [...tabs.children];
    const here = all.indexOf(event.target);
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(all[(next + all.length) % all.length], true);
  });
  cancel.addEventListener("click", () => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "cancel" }));
    status.textContent = "Canceling …";
  });
  dialog.addEventListener("close", () => {
    const old = socket;
    socket = null;
    old?.close();
    clear();
  });
  document.getElementById("preview-button").addEventListener("click", open);
  document.addEventListener("basket:changed", () => {
    const empty = !document.querySelector("#basket-list tr[data-key]");
    document.getElementById("preview-button").disabled = empty;
  });
})();
