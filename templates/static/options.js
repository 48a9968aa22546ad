// The options of the upload page: remembered, except the title, and marked if they differ from the defaults.
import { $, on, remember, remembered } from "./page.js";
import { gettext as _ } from "./texts.js";

const KEPT = ["expiration", "width"];

export function startOptions() {
  const last = remembered("options") ?? {};
  for (const name of KEPT) {
    const field = $(name);
    field.value = last[name] ?? "";
    if (!field.value) field.value = "";
  }
  $("nsfw").checked = last.nsfw === true;
  on("options", changed, "input");
  on("reset-options", () => {
    for (const name of [...KEPT, "title"]) $(name).value = "";
    $("nsfw").checked = false;
    changed();
  });
  changed();
}

function changed() {
  remember("options", { expiration: $("expiration").value, width: $("width").value, nsfw: $("nsfw").checked });
  const marks = [];
  if ($("title").value.trim()) marks.push(_("with a title"));
  if ($("expiration").value) marks.push(_("deleted after {time}", { time: $("expiration").selectedOptions[0].text }));
  if ($("width").value) marks.push(_("{width} pixels wide", { width: $("width").value }));
  if ($("nsfw").checked) marks.push(_("not safe for work"));
  $("options-mark").textContent = marks.join(", ");
  $("options-mark").hidden = !marks.length;
}

/** Returns the fields that are sent with each picture. */
export function chosenOptions() {
  const fields = {};
  for (const name of ["title", ...KEPT]) {
    if ($(name).value.trim()) fields[name] = $(name).value.trim();
  }
  if ($("nsfw").checked) fields.nsfw = "1";
  return fields;
}
