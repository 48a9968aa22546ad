// The set-up page: the typed key goes into texts and files, and is tested with an upload.
import { $, element } from "./page.js";
import { gettext as _, sentence } from "./texts.js";

const field = $("key");
const placeholder = $("setup").dataset.placeholder;
const places = [];

for (const part of document.querySelectorAll("pre, code.value")) {
  if (part.textContent.includes(placeholder)) places.push([part, part.textContent]);
}

function fillIn() {
  const key = field.value.trim() || placeholder;
  for (const [part, text] of places) part.textContent = text.replaceAll(placeholder, () => key);
}

/** Returns the server's file with the typed key instead of the placeholder. */
async function download(event) {
  const key = field.value.trim();
  if (!key) return;
  event.preventDefault();
  const text = await (await fetch(event.target.pathname)).text();
  const made = text.replaceAll(JSON.stringify(placeholder), () => JSON.stringify(key));
  const link = element("a", { href: URL.createObjectURL(new Blob([made])), download: event.target.download });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function test() {
  $("test-state").textContent = _("Sending a small picture …");
  $("test-answer").hidden = true;
  const form = new FormData();
  form.append("key", field.value.trim());
  form.append("title", "test");
  form.append("expiration", "PT5M");
  try {
    const icon = await fetch(document.querySelector("[rel=apple-touch-icon]").href);
    form.append("source", await icon.blob(), "test.png");
    const answer = await fetch($("setup").dataset.path, { method: "POST", body: form });
    const told = await answer.json();
    $("test-answer").textContent = JSON.stringify(told, null, 2);
    $("test-answer").hidden = false;
    $("test-state").textContent = answer.ok ? _("It works: a picture was uploaded and deleted again. The server's answer:") : `${_("It did not work:")} ${sentence(told.error.message)}`;
    if (told.image?.delete_url) await fetch(new URL(told.image.delete_url).pathname, { method: "POST", headers: { Accept: "application/json" } });
  } catch {
    $("test-state").textContent = `${_("It did not work:")} ${_("The connection failed. Check it and try again.")}`;
  }
}

field.addEventListener("input", fillIn);
for (const link of document.querySelectorAll("a[download]")) link.addEventListener("click", download);
$("test-form").addEventListener("submit", (event) => {
  event.preventDefault();
  test();
});
fillIn();
