// On every page: copy buttons, and the service worker.
import { copy } from "./page.js";

addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const beside = button.parentElement.querySelector("input, pre");
  copy(beside.value ?? beside.textContent);
});
addEventListener("focusin", (event) => {
  if (event.target.matches("input[readonly]")) event.target.select();
});

navigator.serviceWorker?.register("/service-worker.js").catch(() => {}); // the site works without
