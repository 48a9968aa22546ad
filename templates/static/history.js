// The history page: the pictures that this browser has uploaded.
import { chooseFormat, code } from "./codes.js";
import { $, alarm, button, copy, element, notice, on, onKeys } from "./page.js";
import * as store from "./store.js";
import { date, gettext as _, ngettext, size } from "./texts.js";

const PAGE = 120;
const chosen = new Set();
let format = "direct";
let shown = PAGE;

const nameOf = (picture) => picture.title || picture.original_filename;
const isOver = (picture) => picture.expires && Date.parse(picture.expires) < Date.now();

function found() {
  const words = $("search").value.trim().toLowerCase();
  return store.pictures().filter((picture) => `${picture.title ?? ""} ${picture.original_filename}`.toLowerCase().includes(words));
}

function show() {
  const matching = found();
  const all = store.pictures();
  $("list").replaceChildren(...matching.slice(0, shown).map(tile));
  $("bar").hidden = !all.length;
  $("whole").hidden = false; // not before: it would jump
  $("empty").hidden = matching.length > 0;
  $("empty-text").textContent = all.length ? _("Nothing of that name.") : _("Nothing has been uploaded from this browser yet.");
  $("more").hidden = matching.length <= shown;
  $("export").disabled = $("forget-all").disabled = !all.length;
  showChosen();
}

function showChosen() {
  $("selected").hidden = !chosen.size;
  $("selected-count").textContent = ngettext("1 selected", "{count} selected", chosen.size);
  $("delete-selected").disabled = !picked().some((picture) => picture.delete);
  $("select-all").textContent = chosen.size ? _("Select none") : _("Select all");
}

const picked = () => store.pictures().filter((picture) => chosen.has(picture.id));

function tile(picture) {
  const name = nameOf(picture);
  const image = element("img", { src: new URL(picture.thumb.url).pathname, alt: "", loading: "lazy", className: picture.nsfw ? "blurred" : "" });
  const link = element("a", { className: "shot", href: `/image/${picture.id}`, ariaLabel: `${_("Open")}: ${name}` }, image);
  const gone = () => link.replaceChildren(_("gone"));
  image.addEventListener("error", gone);
  if (isOver(picture)) gone();
  const mark = element("input", { type: "checkbox", className: "pick", checked: chosen.has(picture.id), ariaLabel: _("Select {name}", { name }) });
  mark.addEventListener("change", () => { chosen[mark.checked ? "add" : "delete"](picture.id); showChosen(); });
  const facts = [date(picture.date), size(picture.size), ...(picture.expires ? [_("until {date}", { date: date(picture.expires) })] : [])];
  const removal = picture.delete && !isOver(picture)
    ? button(_("Delete"), name, () => remove([picture]))
    : button(_("Forget"), name, () => forget([picture]));
  return element("li", { className: "tile" }, link, element("label", { className: "pick-label" }, mark),
    element("div", { className: "about" }, element("p", { className: "name", title: name }, name), element("p", { className: "quiet" }, facts.join(" · "))),
    element("div", { className: "tools" }, button(_("Copy"), name, () => copy(code(picture, format)), "small"), removal));
}

/** Ask before a step that cannot be undone. Resolves to whether to go on. */
function confirmed(title, text, action) {
  const dialog = $("confirm");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => { dialog.onclose = () => resolve(dialog.returnValue === "yes"); });
}

async function remove(pictures) {
  const known = pictures.filter((picture) => picture.delete);
  const text = [_("It is deleted from the server for good, and its links stop working.")];
  if (known.length < pictures.length) text.push(_("Pictures whose delete link this browser does not have stay on the server."));
  if (!(await confirmed(ngettext("Delete this picture?", "Delete {count} pictures?", known.length), text.join(" "), _("Delete")))) return;
  const gone = [];
  for (const picture of known) {
    if (await store.deleteOnServer(picture)) gone.push(picture.id);
  }
  drop(gone);
  const left = known.length - gone.length;
  alarm(left ? ngettext("One picture could not be deleted. Try again.", "{count} pictures could not be deleted. Try again.", left) : "");
  if (gone.length) notice(ngettext("Deleted", "{count} deleted", gone.length));
}

async function forget(pictures) {
  const title = ngettext("Forget this picture?", "Forget {count} pictures?", pictures.length);
  const text = _("It stays on the server, but this browser will not know its delete link any more. Export the list first if you may need it.");
  if (await confirmed(title, text, _("Forget"))) drop(pictures.map(({ id }) => id));
}

function drop(ids) {
  store.forget(ids);
  ids.forEach((id) => chosen.delete(id));
  show();
}

function exportAll() {
  const file = new Blob([JSON.stringify(store.pictures(), null, 2)], { type: "application/json" });
  const link = element("a", { href: URL.createObjectURL(file), download: "imges-history.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function importFile(file) {
  alarm();
  try {
    const entries = JSON.parse(await file.text()).map(store.checked).filter(Boolean);
    store.merge(entries);
    notice(ngettext("1 picture was added", "{count} pictures were added", entries.length));
    show();
  } catch {
    alarm(_("This file is not a history that was exported here."));
  }
}

function copyChosen() {
  const pictures = picked();
  if (!pictures.length) return false;
  copy(pictures.map((picture) => code(picture, format)).join("\n"), ngettext("Copied", "{count} copied", pictures.length));
}

function selectAll() {
  if (chosen.size) chosen.clear();
  else found().forEach((picture) => chosen.add(picture.id));
  show();
}

chooseFormat((value) => { format = value; });
on("search", () => { shown = PAGE; show(); }, "input");
on("more", () => { shown += PAGE; show(); });
on("select-all", selectAll);
on("copy-selected", copyChosen);
on("delete-selected", () => remove(picked()));
on("forget-selected", () => forget(picked()));
on("forget-all", () => forget(store.pictures()));
on("export", exportAll);
$("import").addEventListener("change", (event) => {
  if (event.target.files.length) importFile(event.target.files[0]);
  event.target.value = "";
});
onKeys({ c: copyChosen, Delete: () => (chosen.size ? void remove(picked()) : false) });
addEventListener("storage", show);
show();
