// The entry of one upload in the list.
import { code } from "./codes.js";
import { button, copy, element } from "./page.js";
import { gettext as _, size } from "./texts.js";

const link = (label, name, href) => element("a", { href, className: "button small second", ariaLabel: `${label}: ${name}` }, label);

const NOTHING = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";

export class Item {
  constructor(upload, queue) {
    this.upload = upload;
    this.queue = queue;
    this.shown = "";
    this.preview = element("img", { className: "preview", alt: "", decoding: "async" });
    this.preview.addEventListener("error", () => { this.preview.src = NOTHING; });
    if (upload.source instanceof File) this.preview.src = URL.createObjectURL(upload.source);
    this.details = element("span", { className: "quiet" });
    this.tools = element("div", { className: "tools" });
    this.outcome = element("div", { className: "outcome" });
    this.row = element("li", { className: "item" }, this.preview,
      element("div", { className: "about" }, element("div", { className: "name", title: upload.name }, upload.name), this.details),
      this.tools, this.outcome);
  }

  update(format) {
    const { state } = this.upload;
    if (state === "sending") this.showProgress();
    if (state !== this.shown) {
      this.shown = state;
      this.row.className = `item ${state}`;
      this.rebuild(format);
    }
  }

  rebuild(format) {
    const { upload, queue } = this;
    const { source, state, name } = upload;
    const cancel = button(_("Cancel"), name, () => queue.cancel(upload));
    const remove = button(_("Remove"), name, () => queue.remove(upload));
    const retry = button(_("Try again"), name, () => queue.retry(upload), "small");
    const say = (text) => element("p", { className: "state quiet" }, text);
    this.details.textContent = source instanceof File ? size(source.size) : "";
    if (state === "waiting") this.fill([cancel], [say(_("Waiting"))]);
    if (state === "sending") this.startProgress(cancel);
    if (state === "failed") this.fill([retry, remove], [say(upload.problem)]);
    if (state === "cancelled") this.fill([retry, remove], [say(_("Cancelled"))]);
    if (state === "done") this.showResult(format);
  }

  fill(tools, outcome) {
    const hadFocus = this.row.contains(document.activeElement);
    this.tools.replaceChildren(...tools);
    this.outcome.replaceChildren(...outcome);
    if (hadFocus) this.row.querySelector("button, a")?.focus();
  }

  startProgress(cancel) {
    this.bar = element("progress", { max: 1, value: 0, ariaLabel: _("Progress of {name}", { name: this.upload.name }) });
    this.percent = element("span", { className: "quiet" });
    this.fill([cancel], [this.bar, this.percent]);
    this.showProgress();
  }

  showProgress() {
    if (!this.bar) return;
    const { progress, source } = this.upload;
    this.bar.value = progress;
    if (!(source instanceof File)) this.percent.textContent = _("Being fetched …");
    else this.percent.textContent = progress < 1 ? `${Math.round(progress * 100)} %` : _("Being processed …");
  }

  showResult(format) {
    const { image, name } = this.upload;
    URL.revokeObjectURL(this.preview.src);
    this.preview.src = new URL(image.thumb.url).pathname;
    this.preview.classList.toggle("blurred", image.nsfw === "1");
    this.field = element("input", { readOnly: true, value: code(image, format), ariaLabel: _("Link of {name}", { name }) });
    const copying = button(_("Copy"), name, () => copy(this.field.value), "small");
    const deletion = image.delete_url ? new URL(image.delete_url).pathname : null;
    const tools = [link(_("Open"), name, `/image/${image.id_encoded}`)];
    if (deletion) tools.push(link(_("Delete"), name, deletion));
    this.details.textContent = `${image.width} × ${image.height} · ${size(image.size)}${deletion ? "" : ` · ${_("was here already")}`}`;
    this.fill(tools, [this.field, copying]);
  }

  reformat(format) {
    if (this.upload.state === "done") this.field.value = code(this.upload.image, format);
  }
}
