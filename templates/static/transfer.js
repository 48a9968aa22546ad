// One upload on the wire.
import { TEXTS, sentence } from "./texts.js";

/** What the server, or something on the way, said against an upload; *advice* is what to do about it. */
export class Refused extends Error {
  constructor(message, advice = "") {
    super(advice ? `${sentence(message)} ${advice}` : sentence(message));
  }
}

/**
 * Send *source* (a File, or an address) with *fields*; the picture as API v1 tells it.
 * *address* takes it; *key* goes along where there is one. *progressed* hears the share sent, 0 to 1.
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
    request.onerror = () => reject(new Refused(TEXTS.networkFailed));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** A header takes Latin-1 alone: the key's UTF-8 bytes as such. */
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
  if (status === 413) return new Refused(TEXTS.proxyTooLarge);
  return new Refused(TEXTS.strangeAnswer(status));
}

function advice(status) {
  if (status === 401) return TEXTS.adviceKey;
  if (status === 413) return TEXTS.adviceSmaller;
  if (status === 415) return TEXTS.adviceFormat;
  return status === 503 ? TEXTS.adviceWait : "";
}
