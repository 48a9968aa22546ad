// Texts in scripts are English; the page contains their translations.

const lang = document.documentElement.lang;
const { texts = {}, plurals } = JSON.parse(document.body.dataset.texts ?? "{}");
const rules = new Intl.PluralRules(lang);

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** Returns the translation of *text*, in the plural form for *count*. */
function form(text, count) {
  const found = texts[text];
  return Array.isArray(found) ? found[plurals[rules.select(count)]] : found;
}

/** Returns the translation of *text*, with *values* instead of `{name}`. */
export function gettext(text, values = {}) {
  return filled(form(text, 1) || text, values);
}

/** Returns the plural form for *count*, which is also a value. */
export function ngettext(one, many, count, values = {}) {
  return filled(form(one, count) || (count === 1 ? one : many), { count, ...values });
}

/** Returns a size as the server writes it: 1024-based, one decimal at most. */
export function size(bytes) {
  let value = bytes;
  const units = ["B", "KB", "MB", "GB"];
  while (Math.round(value * 10) / 10 >= 1024 && units.length > 1) {
    value /= 1024;
    units.shift();
  }
  return `${value.toLocaleString(lang, { maximumFractionDigits: 1, useGrouping: false })} ${units[0]}`;
}

export function date(text) {
  return new Date(text).toLocaleDateString(lang, { dateStyle: "medium" });
}

/** Returns the server's message as a sentence. Messages begin in lower case and end without a stop. */
export function sentence(message) {
  return message.charAt(0).toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");
}
