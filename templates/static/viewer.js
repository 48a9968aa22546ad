// The viewer: copying, the original on demand, keys, sharing, and the owner's tools.
import { chooseFormat } from "./codes.js";
import { $, copy, notice, on, onKeys } from "./page.js";
import { find } from "./store.js";
import { gettext as _ } from "./texts.js";
import { actual, fill, fit, larger, leave, smaller, startZoom } from "./zoom.js";

const picture = $("picture");
const { original, medium, atOnce } = picture.dataset;
let loading = null;

/** Replace the medium by the original when the original is loaded. */
function loadOriginal() {
  if (medium === "no") return null;
  loading ??= (async () => {
    const whole = new Image();
    whole.src = original;
    try {
      await whole.decode();
      picture.src = original;
      $("load-original").classList.add("over");
    } catch {
      loading = null;
    }
  })();
  return loading;
}

/** Returns whether the medium is too coarse for its room, and the original small enough to be loaded without asking. */
function deservesOriginal() {
  const pixels = picture.clientWidth * devicePixelRatio;
  if (atOnce === "always") return true;
  return atOnce === "yes" && !navigator.connection?.saveData && pixels > picture.naturalWidth * 1.1;
}

function whenMediumStands() {
  if (deservesOriginal()) loadOriginal();
}

if (picture.complete) whenMediumStands();
else picture.addEventListener("load", whenMediumStands, { once: true });
on("load-original", async () => {
  notice(_("The original is being loaded …"));
  await loadOriginal();
  notice(_("The original is shown"));
});
startZoom(loadOriginal);

const copyCode = () => { copy($("code").value); };
chooseFormat((format) => {
  $("code").value = document.querySelector(`[data-code="${format}"]`).value;
});
on("copy", copyCode);

if (navigator.share) {
  $("share").classList.remove("over");
  on("share", () => {
    const url = document.querySelector("link[rel=canonical]").href;
    navigator.share({ title: document.querySelector("h1").textContent, url }).catch(() => {});
  });
}

const own = find($("viewer").dataset.id);
if (own?.delete) {
  for (const act of ["edit", "delete"]) {
    $(act).href = own.delete.replace("/delete/", `/${act}/`);
    $(act).classList.remove("over");
  }
}

const openHelp = () => { $("help").showModal(); };
on("open-help", openHelp);
onKeys({
  c: copyCode,
  d: () => { $("download").click(); },
  f: fill,
  "+": larger,
  "=": larger,
  "-": smaller,
  0: fit,
  1: actual,
  Escape: leave,
  "?": openHelp,
});
