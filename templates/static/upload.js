// The upload page: takes pictures by picker, drop, paste, address or a phone's share menu, and shows their links.
import { chooseFormat, code } from "./codes.js";
import { Item } from "./item.js";
import { chosenOptions, startOptions } from "./options.js";
import { $, alarm, copy, element, isTyping, notice, on, onKeys, remember, remembered } from "./page.js";
import { Queue, Upload } from "./queue.js";
import { format as sniffed } from "./sniff.js";
import * as store from "./store.js";
import { gettext as _, ngettext } from "./texts.js";
import { advice, Refused } from "./transfer.js";

const form = $("upload");
const limits = form.dataset;
const items = new Map();
let format = "direct";

const queue = new Queue({ target, check, changed });

/** Returns the address of uploads: the page's own form for guests, the API with a key. */
function target() {
  const address = new URL(form.action).pathname;
  return $("key") ? { address, key: $("key").value.trim() } : { address };
}

/** Throws the error that the server would answer, before anything is sent. */
async function check(source) {
  if (!(source instanceof File)) return;
  if (source.size > Number(limits.maxSize)) throw new Refused(limits.tooLarge, advice(413));
  const found = await sniffed(source);
  if (!found) throw new Refused(limits.noImage, advice(415));
  if (!limits.formats.split(" ").includes(found)) {
    throw new Refused(limits.refused.replace("FORMAT", found.toUpperCase()), advice(415));
  }
}

/** Queue *sources*. Returns their uploads. */
function upload(sources) {
  if ($("key") && !$("key").value.trim()) {
    alarm(_("Enter your API key first."));
    $("key").focus();
    return [];
  }
  alarm();
  const fields = chosenOptions();
  const uploads = sources.map((source) => new Upload(source, fields));
  queue.add(uploads);
  return uploads;
}

function changed(upload) {
  let item = items.get(upload);
  if (!item) {
    item = new Item(upload, queue);
    items.set(upload, item);
    $("queue").append(item.row);
  }
  if (upload.state === "removed") item.row.remove();
  if (upload.state === "done" && item.shown !== "done") finished(upload);
  item.update(format);
  showState();
}

function finished(upload) {
  if (!store.add(upload.image)) notice(_("The browser's storage is full; the history was not kept."));
}

function showState() {
  const { uploads, done, failed, isBusy } = queue;
  $("results").hidden = !uploads.length;
  form.classList.toggle("compact", uploads.length > 0);
  const counts = { done: done.length, total: uploads.length, failed: failed.length };
  $("progress").textContent = failed.length
    ? _("{done} of {total} ready, {failed} failed", counts)
    : _("{done} of {total} ready", counts);
  $("copy-all").disabled = !done.length;
  $("copy-all-text").textContent = ngettext("Copy the link", "Copy all {count}", done.length || 1);
  $("retry-failed").hidden = !failed.length || isBusy;
  $("cancel-all").hidden = !isBusy;
  if (isBusy) return;
  if (failed.length) {
    const { problem } = failed[0];
    const name = failed[0].name.replace(/^(.{24}).{8,}(.{12})$/su, "$1…$2");
    const what = ngettext("{name} was not uploaded.", "{count} pictures were not uploaded.", failed.length, { name });
    const told = `${what} ${problem}`;
    if ($("alert").textContent !== told) alarm(told);
  } else if (uploads.length) alarm();
  if (done.length && document.activeElement === document.body) $("copy-all").focus({ preventScroll: true });
}

function copyAll() {
  const codes = queue.done.map(({ image }) => code(image, format));
  if (!codes.length) return false;
  copy(codes.join("\n"), ngettext("Copied", "{count} copied", codes.length));
}

/** Returns the pictures that were dropped or pasted, or else an address. */
function sourcesOf(transfer) {
  const files = [...transfer.files];
  if (files.length) return files;
  const text = (transfer.getData("text/uri-list") || transfer.getData("text/plain")).trim().split(/\s/)[0];
  return /^https?:\/\/./i.test(text) ? [text] : [];
}

// The form and its fields

$("source").multiple = true;
for (const id of ["source", "camera"]) {
  $(id).addEventListener("change", (event) => {
    upload([...event.target.files]);
    event.target.value = "";
  });
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (document.activeElement === $("source")) return $("source").click(); // Enter there means the picker
  const address = $("url")?.value.trim() ?? "";
  if (!/^https?:\/\/./i.test(address)) return alarm(_("That is not the address of a picture. It has to begin with http:// or https://."));
  upload([address]);
  $("url").value = "";
});
startOptions();
if ($("key")) {
  $("key").value = remembered("key") ?? "";
  $("keep-key").checked = Boolean($("key").value);
  on("key-card", () => remember("key", $("keep-key").checked ? $("key").value.trim() : null), "input");
}

// Drop and paste, anywhere in the window

let depth = 0;
const overlay = (shown) => { $("overlay").hidden = !shown; if (!shown) depth = 0; };
const carriesSource = (event) => [...event.dataTransfer.types].some((type) => type === "Files" || type === "text/uri-list");

addEventListener("dragenter", (event) => {
  if (!carriesSource(event)) return;
  event.preventDefault();
  depth += 1;
  const count = [...event.dataTransfer.items].filter(({ kind }) => kind === "file").length;
  $("overlay-text").textContent = ngettext("Drop to upload 1 picture", "Drop to upload {count} pictures", count || 1);
  overlay(true);
});
addEventListener("dragleave", () => { if (--depth <= 0) overlay(false); });
addEventListener("dragover", (event) => { if (carriesSource(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  overlay(false);
  if (isTyping(event.target) && !event.dataTransfer.files.length) return;
  event.preventDefault();
  upload(sourcesOf(event.dataTransfer));
});
addEventListener("paste", (event) => {
  if (isTyping(event.target)) return;
  const sources = sourcesOf(event.clipboardData);
  if (!sources.length) return notice(_("There was no picture on the clipboard."));
  event.preventDefault();
  const uploads = upload(sources);
  if (uploads.length === 1) copy(uploads[0].done.then((image) => code(image, format)));
});
if (/Mac|iPhone|iPad/.test(navigator.platform)) $("paste-key").textContent = "⌘ V";

// Results

chooseFormat((chosen) => {
  format = chosen;
  items.forEach((item) => item.reformat(format));
});
on("copy-all", copyAll);
on("retry-failed", () => queue.failed.forEach((upload) => queue.retry(upload)));
on("cancel-all", () => [...queue.uploads].forEach((upload) => queue.cancel(upload)));
onKeys({ c: copyAll, Escape: () => overlay(false) });
addEventListener("beforeunload", (event) => { if (queue.isBusy) event.preventDefault(); });

// What a phone's share menu, or another site's form, left with the service worker waits for a click.

let shared;

async function takeShared() {
  const [cache, sources] = [await caches.open("imges-shared"), []];
  for (const request of await cache.keys()) {
    const answer = await cache.match(request);
    const name = decodeURIComponent(answer.headers.get("X-Name") ?? "");
    const type = answer.headers.get("Content-Type") ?? "";
    sources.push(name ? new File([await answer.blob()], name, { type }) : await answer.text());
    await cache.delete(request);
  }
  history.replaceState(null, "", "/");
  showShared(sources);
}

function showShared(sources) {
  shared = sources;
  $("shared").hidden = !sources.length;
  $("shared-list").replaceChildren(...sources.map((source) => element("li", {}, source.name ?? source)));
}

on("upload-shared", () => upload(shared).length && showShared([]));
on("discard-shared", () => showShared([]));
if (new URLSearchParams(location.search).has("shared") && "caches" in window) takeShared();
