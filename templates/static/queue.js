// The queue of uploads: a few at once, each with its state. item.js shows them.
import { gettext as _ } from "./texts.js";
import { Refused, send } from "./transfer.js";

const AT_ONCE = 3;

/** One upload. *state*: waiting, sending, done, failed or cancelled. */
export class Upload {
  constructor(source, fields) {
    this.source = source;
    this.fields = fields;
    this.name = source instanceof File ? source.name || _("pasted") : source;
    this.state = "waiting";
    this.progress = 0;
    this.image = null;
    this.problem = "";
    this.done = new Promise((resolve) => { this.finish = resolve; });
  }
}

export class Queue {
  /** *target()* returns address and key of an upload. *check(source)* throws if the server would refuse the source. */
  constructor({ target, check, changed }) {
    this.uploads = [];
    this.target = target;
    this.check = check;
    this.changed = changed;
    this.running = new Map();
  }

  get done() { return this.uploads.filter((upload) => upload.state === "done"); }
  get failed() { return this.uploads.filter((upload) => upload.state === "failed"); }
  get isBusy() { return this.uploads.some(({ state }) => state === "waiting" || state === "sending"); }

  add(uploads) {
    this.uploads.push(...uploads);
    uploads.forEach(this.changed);
    this.next();
  }

  retry(upload) {
    this.set(upload, { state: "waiting", progress: 0, problem: "" });
    this.next();
  }

  cancel(upload) {
    if (upload.state === "waiting") this.set(upload, { state: "cancelled" });
    this.running.get(upload)?.abort();
  }

  remove(upload) {
    this.uploads = this.uploads.filter((other) => other !== upload);
    this.set(upload, { state: "removed" });
  }

  next() {
    for (const upload of this.uploads) {
      if (this.running.size >= AT_ONCE) return;
      if (upload.state === "waiting") this.run(upload);
    }
  }

  async run(upload) {
    const abort = new AbortController();
    this.running.set(upload, abort);
    this.set(upload, { state: "sending" });
    try {
      await this.check(upload.source);
      const { source, fields } = upload;
      const progressed = (progress) => this.set(upload, { progress });
      const image = await send({ ...this.target(), source, fields, progressed, signal: abort.signal });
      this.set(upload, { state: "done", image });
      upload.finish(image);
    } catch (error) {
      if (error.name === "AbortError") this.set(upload, { state: "cancelled" });
      else if (error instanceof Refused) this.set(upload, { state: "failed", problem: error.message });
      else this.set(upload, { state: "failed", problem: String(error) });
    }
    this.running.delete(upload);
    this.changed(upload);
    this.next();
  }

  set(upload, values) {
    Object.assign(upload, values);
    this.changed(upload);
  }
}
