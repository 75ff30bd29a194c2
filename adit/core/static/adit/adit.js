// What all pages share: toasts, dialogs, copy buttons, sortable tables.

const ICONS = { success: "check-circle", warning: "exclamation-triangle", error: "x-octagon", info: "info-circle" };

function toast(text, level = "info", link = null) {
  const region = document.getElementById("toasts");
  const box = document.createElement("div");
  box.className = `a-toast a-toast-${level}`;
  const icon = document.createElement("i");
  icon.className = `bi bi-${ICONS[level] || ICONS.info}`;
  icon.setAttribute("aria-hidden", "true");
  const words = document.createElement("div");
  words.textContent = text;
  if (link) {
    const anchor = document.createElement("a");
    [anchor.href, anchor.textContent] = link;
    words.append(" ", anchor);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.setAttribute("aria-label", "Dismiss");
  close.addEventListener("click", () => box.remove());
  box.append(icon, words, close);
  region.append(box);
  if (level === "success" || level === "info") setTimeout(() => box.remove(), 8000);
}

// Messages that came with the page enter the live region after it is there, so they are announced.
function announceMessages() {
  const source = document.getElementById("messages");
  if (!source) return;
  for (const item of [...source.children]) toast(item.textContent.trim(), item.dataset.level);
  source.remove();
}

// What a page asks by itself while it is not live; how that goes is said where it says "Live".
const isPoll = (event) => event.detail.elt?.getAttribute("hx-trigger")?.startsWith("adit:poll");

// A conflict comes with the parts of the page as they are now: the page was stale.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 409 && event.detail.xhr.responseText) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

document.addEventListener("adit:toast", ({ detail }) => {
  toast(detail.text, detail.level, detail.address ? [detail.address, detail.link] : null);
});
document.addEventListener("htmx:responseError", (event) => {
  if (isPoll(event)) return;
  const told = event.detail.xhr.getResponseHeader("HX-Trigger") || "";
  if (!told.includes("adit:toast")) {
    toast(`The server answered ${event.detail.xhr.status}. Reload the page and try again.`, "error");
  }
});
document.addEventListener("htmx:sendError", (event) => {
  if (isPoll(event)) return;
  toast("The server cannot be reached. Check your connection and try again.", "error");
});

// The second click of a double click would ask for what the first has done, or hit what has taken
// the place of the button meanwhile.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest("[data-once]")) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    event.preventDefault();
    const dialog = document.getElementById(opener.dataset.dialog);
    dialog.dataset.from = opener.parentElement.closest("[id]")?.id ?? "";
    dialog.showModal();
    return;
  }
  const closer = event.target.closest("[data-dialog-close]");
  if (closer) {
    closer.closest("dialog").close();
    return;
  }
  const copier = event.target.closest("[data-copy]");
  if (copier) copyText(copier);
  const printer = event.target.closest("[data-print]");
  if (printer) window.print();
  const sorter = event.target.closest("button.sort[data-column]");
  if (sorter) sortTable(sorter);
});

// Where the focus goes when what had it is not there any more: to what can be done now instead.
const successor = (part) => part?.querySelector(
  ".a-head-actions button, .a-head-actions a, button:not([disabled]), a[href]",
);

const takesFocus = (element) => Boolean(element) && !element.disabled && element.checkVisibility();

// Until the page is painted, what is hidden or disabled is still said to have the focus.
const isFocusLost = () => document.activeElement === document.body || !takesFocus(document.activeElement);

// The first of these that can have it does; in the last resort the table's filter or the page.
function giveFocus(...elements) {
  const last = ["[data-pick-all]", "#task-state", "main"].map((one) => document.querySelector(one));
  [...elements, ...last].find(takesFocus)?.focus({ preventScroll: true });
}

// A live update may have replaced the button that opened the dialog, disabled it or taken it away, so
// that the focus has no way back.
document.addEventListener("close", (event) => {
  const dialog = event.target;
  if (!dialog.matches("dialog") || !isFocusLost()) return;
  const opener = document.querySelector(`[data-dialog="${dialog.id}"]`);
  giveFocus(opener, successor(document.getElementById(dialog.dataset.from)));
}, true);

async function copyText(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("Copied.", "success");
  } catch {
    toast("The browser does not allow copying here.", "warning");
  }
}

// Selects that submit their form when changed; the button beside them is for those without scripts.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
});

function sortTable(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const column = [...head.parentNode.children].indexOf(head);
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const inner = new Map();
  for (const row of body.rows) if (row.dataset.of) inner.set(row.dataset.of, row);
  const rows = [...body.rows].filter((row) => !row.dataset.of);
  rows.sort((a, b) => compare(key(a), key(b)) * (up ? 1 : -1));
  for (const row of rows) {
    body.append(row);
    if (inner.has(row.id)) body.append(inner.get(row.id));
  }
}

// What a confirmed action did shows on the page and in a toast, not in the dialog.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.matches("[data-closes-dialog]")) event.target.closest("dialog").close();
});

document.addEventListener("DOMContentLoaded", announceMessages);
