// Adds empty rows to the tables of a form; without scripts the server does it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=add]");
  const table = button?.closest("[data-rows]");
  if (!table) return;
  event.preventDefault();
  const total = table.querySelector(`[name="${table.dataset.rows}-TOTAL_FORMS"]`);
  const number = Number(total.value);
  const template = document.createElement("template");
  template.innerHTML = table.querySelector("template").innerHTML.replaceAll("__prefix__", String(number));
  table.querySelector("[data-rows-list]").append(template.content);
  total.value = String(number + 1);
  const row = table.querySelector("[data-rows-list]").lastElementChild;
  row.querySelector("legend").append(` ${number + 1}`);
  row.querySelector("input, select").focus();
});
