// The page that shows a password once: reloading it leads to the job instead of making another.
(() => {
  const panel = document.getElementById("password-panel");
  history.replaceState(null, "", panel.dataset.jobUrl);
  const button = document.getElementById("copy-password");
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const password = document.getElementById("archive-password").textContent;
    let detail = { text: "The password is copied.", level: "success" };
    try {
      await navigator.clipboard.writeText(password);
    } catch {
      detail = { text: "The browser does not let it be copied.", level: "error" };
    }
    document.dispatchEvent(new CustomEvent("adit:toast", { detail }));
  });
})();
