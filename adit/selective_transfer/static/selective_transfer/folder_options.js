// Archive and NIfTI are offered where the destination is a folder.
(() => {
  const options = document.getElementById("folder-options");
  const form = document.getElementById("transfer-form");
  const destination = form.elements.namedItem("destination");
  const archive = form.elements.namedItem("archive");
  const password = document.getElementById("archive-password-field");
  const folders = new Set(options.dataset.folders.split(" "));

  function show() {
    options.hidden = !folders.has(destination.value);
    // What is hidden is not sent.
    options.disabled = options.hidden;
    password.hidden = !archive.checked;
  }

  destination.addEventListener("change", show);
  archive.addEventListener("change", show);
  show();
})();
