// Sends one upload.
import { gettext as _, sentence } from "./texts.js";

/** An upload that the server or the network refused. *advice* says what to do. */
export class Refused extends Error {
  constructor(message, advice = "") {
    super(advice ? `${sentence(message)} ${advice}` : sentence(message));
  }
}

/**
 * Send *source* (a File, or an address) with *fields* to *address*, with *key* if there is one.
 * Resolves to API v1's object of the picture. Calls *progressed* with the share sent, 0 to 1.
 */
export function send({ address, key, source, fields, progressed, signal }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  if (source instanceof File) form.append("source", source, source.name);
  else form.append("source", source);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    if (key) request.setRequestHeader("X-API-Key", encodeKey(key));
    request.upload.onprogress = (event) => progressed(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => {
      const told = parsed(request.responseText);
      if (told?.image) resolve(told.image);
      else reject(refusal(request.status, told));
    };
    request.onerror = () => reject(new Refused(_("The connection failed. Check it and try again.")));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Returns *key* for a header. Headers take only Latin-1, so each UTF-8 byte becomes one character. */
function encodeKey(key) {
  return String.fromCharCode(...new TextEncoder().encode(key));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refusal(status, told) {
  if (told?.error?.message) return new Refused(told.error.message, advice(status));
  if (status === 413) return new Refused(_("A proxy in front of this site refuses files of this size (413). Send a smaller one, or ask the site's owner to raise the proxy's limit."));
  return new Refused(_("The server answered in a way that this page does not understand ({status}). Try again later.", { status }));
}

/** Returns the advice for *status*. */
export function advice(status) {
  switch (status) {
    case 401: return _("Check the key: all of it, without spaces.");
    case 413: return _("Make it smaller and try again.");
    case 415: return _("Save it as JPEG or PNG and try again.");
    case 422: return _("Open it in a picture program, save it anew and try again.");
    case 429: case 503: return _("Wait a moment, then try again.");
    case 502: case 504: return _("Save the picture and upload the file.");
    default: return "";
  }
}
