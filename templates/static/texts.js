// Every text that scripts show, in one place. What the server says comes as it is.

const counted = (count, one, many) => (count === 1 ? one : many.replace("{}", count));

export const TEXTS = {
  copied: "Copied",
  copiedMany: (count) => counted(count, "Copied", "{} copied"),
  copyFailed: "The browser does not let this page copy. Mark the text and copy it yourself.",
  copy: "Copy",
  copyLink: (count) => counted(count, "Copy the link", "Copy all {}"),
  waiting: "Waiting",
  sending: (percent) => `${percent} %`,
  working: "Being processed …",
  fetching: "Being fetched …",
  duplicate: "Was here already",
  cancelled: "Cancelled",
  cancel: "Cancel",
  retry: "Try again",
  remove: "Remove",
  open: "Open",
  forAction: (action, name) => `${action}: ${name}`,
  linkOf: (name) => `Link of ${name}`,
  progressOf: (name) => `Progress of ${name}`,
  summary: (done, total, failed) =>
    `${done} of ${total} ready${failed ? `, ${failed} failed` : ""}`,
  failures: (names) => counted(names.length, `${names[0]} was not uploaded.`, "{} pictures were not uploaded."),
  networkFailed: "The connection failed. Check it and try again.",
  proxyTooLarge: "A proxy in front of this site refuses files of this size (413). Send a smaller one, or ask the site's owner to raise the proxy's limit.",
  strangeAnswer: (status) => `The server answered in a way that this page does not understand (${status}). Try again later.`,
  adviceKey: "Check the key: all of it, without spaces.",
  adviceWait: "Wait a moment, then try again.",
  adviceSmaller: "Make it smaller and try again.",
  adviceFormat: "Save it as JPEG or PNG and try again.",
  keyNeeded: "Enter your API key first.",
  notAnAddress: "That is not the address of a picture. It has to begin with http:// or https://.",
  nothingPasted: "There was no picture on the clipboard.",
  files: (count) => counted(count, "1 picture", "{} pictures"),
  pastedName: "pasted",
  optionTitle: "title",
  optionExpires: (life) => `deleted after ${life}`,
  optionWidth: (width) => `${width} pixels wide`,
  optionNsfw: "not safe for work",
  gone: "gone",
  deletedAt: (date) => `until ${date}`,
  delete: "Delete",
  select: (name) => `Select ${name}`,
  selected: (count) => `${count} selected`,
  selectAll: "Select all",
  selectNone: "Select none",
  nothingFound: "Nothing of that name.",
  nothingYet: "Nothing has been uploaded from this browser yet.",
  deleteTitle: (count) => counted(count, "Delete this picture?", "Delete {} pictures?"),
  deleteText: "It is deleted from the server for good, and its links stop working.",
  deleteNoLink: "Pictures whose delete link this browser does not have stay on the server.",
  forgetTitle: (count) => counted(count, "Forget this picture?", "Forget {} pictures?"),
  forgetText: "It stays on the server, but this browser will not know its delete link any more. Export the list first if you may need it.",
  forget: "Forget",
  deleted: (count) => counted(count, "Deleted", "{} deleted"),
  deleteFailed: (count) => counted(count, "One picture could not be deleted. Try again.", "{} pictures could not be deleted. Try again."),
  imported: (count) => counted(count, "1 picture was added", "{} pictures were added"),
  importFailed: "This file is not a history that was exported here.",
  historyFull: "The browser's storage is full; the history was not kept.",
  loadingOriginal: "The original is being loaded …",
  originalShown: "The original is shown",
  testRunning: "Sending a small picture …",
  testGood: "It works: a picture was uploaded and deleted again. The server's answer:",
  testBad: "It did not work:",
};

/** Bytes as the server writes them: 1024-based, one decimal at most. */
export function size(bytes) {
  let value = bytes;
  const units = ["B", "KB", "MB", "GB"];
  while (Math.round(value * 10) / 10 >= 1024 && units.length > 1) {
    value /= 1024;
    units.shift();
  }
  return `${value.toFixed(1).replace(/\.0$/, "")} ${units[0]}`;
}

/** A sentence of the server's message, which begins in lower case and ends without a stop. */
export function sentence(message) {
  return message.charAt(0).toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");
}

export function date(text) {
  return new Date(text).toLocaleDateString(undefined, { dateStyle: "medium" });
}
