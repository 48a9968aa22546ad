// What all pages need: elements, messages, the clipboard, keys.
import { gettext as _ } from "./texts.js";

export const $ = (id) => document.getElementById(id);

/** Call *call* at each *kind* of event of the element *id*, if the page has it. */
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

/** A button whose name for screen readers includes its object. */
export function button(label, name, call, look = "small second") {
  return element("button", { type: "button", className: look, onclick: call, ariaLabel: `${label}: ${name}` }, label);
}

let clearing;

/** Show *text* at the edge of the page; screen readers speak it. */
export function notice(text) {
  const place = $("notice");
  clearTimeout(clearing);
  place.textContent = text;
  clearing = setTimeout(() => { place.textContent = ""; }, 3000);
}

/** Show *text* as an error. Without a text, hide the error. */
export function alarm(text = "") {
  const place = $("alert");
  place.hidden = !text;
  place.textContent = text;
}

/** Put *text*, or the text that it promises, on the clipboard. Resolves to whether that worked. */
export async function copy(text, said = _("Copied")) {
  const copied = await write(text);
  notice(copied ? said : _("The browser does not let this page copy. Mark the text and copy it yourself."));
  return copied;
}

async function write(text) {
  try {
    // Pass the promise on: browsers allow writing at a key press, but perhaps not later, when the text is there.
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

/** Returns whether *target* takes typed keys itself; shortcuts then ignore them. */
export function isTyping(target) {
  if (!(target instanceof Element)) return false;
  if (target.closest("select, textarea, [contenteditable]")) return true;
  return target.matches("input:not([readonly], [type=checkbox], [type=file])");
}

/** For each key pressed outside of fields and dialogs, call its function in *actions*. */
export function onKeys(actions) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action && action() !== false) event.preventDefault();
  });
}

/** Returns a value that this browser has stored. */
export function remembered(name) {
  try {
    return JSON.parse(localStorage.getItem(`imges.${name}`));
  } catch {
    return null;
  }
}

/** Store *value*, or delete it if it is null. Returns whether the browser had room. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`imges.${name}`);
    else localStorage.setItem(`imges.${name}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
