// Live pages: a WebSocket brings fragments; while it is lost the page says so and asks by itself.

(() => {
  const POLL_SECONDS = 10;
  // The server speaks at least every ten seconds; a longer silence is a lost connection.
  const SILENCE_SECONDS = 25;
  const LIVE_PATH = "/ws/jobs/";
  // Close codes after which there is nothing to reconnect to.
  const TURNED_AWAY = [4403, 4404];

  const WORDS = {
    live: "Live",
    lost: `Connection lost. Updates every ${POLL_SECONDS} s.`,
    offline: "No connection to the server. What you see may be old.",
    gone: "This is gone, or not for you any more. Reload the page.",
    "logged-out": "You are logged out. Reload the page to log in.",
  };

  let socket = null;
  let heard = 0;
  let state = "";
  let polling = null;

  function show(next) {
    if (next === state) return;
    state = next;
    for (const mark of document.querySelectorAll("[data-live-state]")) {
      mark.dataset.liveState = state;
      mark.textContent = WORDS[state];
    }
    const asks = state === "lost" || state === "offline";
    if (asks && !polling) {
      polling = setInterval(poll, POLL_SECONDS * 1000);
    } else if (!asks) {
      clearInterval(polling);
      polling = null;
    }
  }

  const poll = () => htmx.trigger(document.body, "adit:poll");

  htmx.config.wsReconnectDelay = (tries) => Math.min(4000, 500 * 2 ** tries) * (0.5 + Math.random() / 2);

  const isLive = (url) => new URL(url, location.href).pathname.startsWith(LIVE_PATH);

  htmx.createWebSocket = (url) => {
    const made = new WebSocket(url);
    if (isLive(url)) {
      socket = made;
      made.addEventListener("message", () => { heard = Date.now(); });
    }
    return made;
  };

  // A connection that is cut closes only after minutes. Take it for closed now, so that a new one is
  // tried; what the old one still brings is left out.
  function giveUp() {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    const [old, closed] = [socket, socket.onclose];
    old.onclose = null;
    old.close();
    closed?.call(old, new CloseEvent("close", { code: 1006 }));
  }

  const isSilent = () => state === "live" && Date.now() - heard > SILENCE_SECONDS * 1000;

  setInterval(() => { if (isSilent()) giveUp(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && isSilent()) giveUp(); });
  window.addEventListener("offline", giveUp);
  window.addEventListener("online", () => { if (state !== "live" && polling) poll(); });

  document.addEventListener("htmx:wsOpen", () => {
    heard = Date.now();
    show("live");
  });

  document.addEventListener("htmx:wsClose", (event) => {
    if (TURNED_AWAY.includes(event.detail.event.code)) {
      show("gone");
      // The answer tells whether the user is logged out or the job is gone. Who has deleted it on
      // this very page is led elsewhere before.
      setTimeout(poll, 2000);
    } else if (socket?.readyState !== WebSocket.OPEN && state !== "gone" && state !== "logged-out") {
      if (state !== "offline") show("lost");
      poll();
    }
  });

  document.addEventListener("htmx:wsError", (event) => event.preventDefault());

  // What left the page while its news were under way (a search takes rows away) has none any more.
  const isThere = (part) => part.getAttribute("hx-swap-oob") !== "true" || document.getElementById(part.id);

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template;
  };

  document.addEventListener("htmx:wsBeforeMessage", (event) => {
    const parts = [...parsed(event.detail.message).content.children];
    if (parts.length && !parts.some(isThere)) event.preventDefault();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isPoll(event)) return;
    const answer = parsed(event.detail.serverResponse);
    const rows = [...answer.content.querySelectorAll("template")];
    const gone = rows.filter((row) => ![...row.content.children].every(isThere));
    gone.forEach((row) => row.remove());
    if (gone.length) event.detail.serverResponse = answer.innerHTML;
  });

  // The log-in page must not be taken for an answer.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isPoll(event)) return;
    const { xhr } = event.detail;
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== new URL(event.detail.pathInfo.requestPath, location.href).pathname) {
      event.detail.shouldSwap = false;
      show("logged-out");
    }
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isPoll(event) || state === "live" || state === "logged-out") return;
    const { status } = event.detail.xhr;
    if (status === 403 || status === 404) show("gone");
    else if (status === 0 || status >= 500) show("offline");
    else if (state === "offline") show("lost");
  });

  // A part that is replaced keeps the focus and the ticks that were in it, and its place.
  let kept = null;

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target } = event.detail;
    const active = document.activeElement;
    const box = target.matches("[data-keep-scroll]") ? target : target.querySelector("[data-keep-scroll]");
    const ticked = [...target.querySelectorAll("input[type=checkbox][id]:checked")].map((box) => box.id);
    kept = { id: target.id, had: target.contains(active), focus: active.id, ticked, top: box?.scrollTop ?? 0 };
  });

  document.addEventListener("htmx:oobAfterSwap", () => {
    if (!kept) return;
    const { id, had, focus, ticked, top } = kept;
    kept = null;
    const part = document.getElementById(id);
    if (top && part) (part.matches("[data-keep-scroll]") ? part : part.querySelector("[data-keep-scroll]"))?.scrollTo(0, top);
    for (const box of ticked) {
      const again = document.getElementById(box);
      if (again) again.checked = true;
    }
    if (had) ((focus && document.getElementById(focus)) || successor(part))?.focus({ preventScroll: true });
  });
})();
