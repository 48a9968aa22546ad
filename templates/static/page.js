// Small things that all pages need: elements, messages, the clipboard, keys.
import { gettext as _ } from "./texts.js";

export const $ = (id) => document.getElementById(id);

/** Call *call* at each *kind* of event of the element *id*, where there is one. */
export const on = (id, call, kind = "click") => $(id)?.addEventListener(kind, call);

/** A new element. Texts become text nodes, never markup. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A button whose name for screen readers says what it acts upon. */
export function button(label, name, call, look = "small second") {
  return element("button", { type: "button", className: look, onclick: call, ariaLabel: `${label}: ${name}` }, label);
}

let clearing;

/** Say *text* at the edge of the page, to the eye and to screen readers. */
export function notice(text) {
  const place = $("notice");
  clearTimeout(clearing);
  place.textContent = text;
  clearing = setTimeout(() => { place.textContent = ""; }, 3000);
}

/** Show *text* as what went wrong; none takes it away. */
export function alarm(text = "") {
  const place = $("alert");
  place.hidden = !text;
  place.textContent = text;
}

/** Put *text*, or what it promises, on the clipboard; whether that worked. */
export async function copy(text, said = _("Copied")) {
  const copied = await write(text);
  notice(copied ? said : _("The browser does not let this page copy. Mark the text and copy it yourself."));
  return copied;
}

async function write(text) {
  try {
    // The promise goes along: what a key press allows now may not be allowed once the text is there.
    const blob = Promise.resolve(text).then((known) => new Blob([known], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    return true;
  } catch {
    return writeByHand(await text); // no clipboard on plain http
  }
}

function writeByHand(text) {
  const focused = document.activeElement;
  const field = element("textarea", { value: text, className: "hidden", readOnly: true });
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}

/** Whether keys typed at *target* are meant for it: they are not ours then. */
export function isTyping(target) {
  if (!(target instanceof Element)) return false;
  if (target.closest("select, textarea, [contenteditable]")) return true;
  return target.matches("input:not([readonly], [type=checkbox], [type=file])");
}

/** Call what *actions* has for each key pressed outside of fields and dialogs. */
export function onKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action && action() !== false) event.preventDefault();
  });
}

/** A value that stays in this browser. */
export function remembered(name) {
  try {
    return JSON.parse(localStorage.getItem(`imges.${name}`));
  } catch {
    return null;
  }
}

/** Keep *value*, or forget it when it is null; whether the browser had room. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`imges.${name}`);
    else localStorage.setItem(`imges.${name}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
