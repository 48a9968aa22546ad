// The uploads of this browser, newest first, in its local storage and nowhere else.
import { remember, remembered } from "./page.js";

const MOST = 3000;

/** Returns all pictures: the fields of API v1's objects that pages use; `delete` is the path of the delete link. */
export function pictures() {
  const kept = remembered("history");
  return Array.isArray(kept) ? kept.map(checked).filter(Boolean) : [];
}

export function find(id) {
  return pictures().find((picture) => picture.id === id);
}

/** Add a new upload. Returns whether there was room. */
export function add(image) {
  return merge([fromAnswer(image)]);
}

export function merge(added) {
  const ids = new Set(added.map((picture) => picture.id));
  const old = pictures();
  const links = new Map(old.map((picture) => [picture.id, picture.delete]));
  for (const picture of added) picture.delete ??= links.get(picture.id) ?? null;
  const all = [...added, ...old.filter((picture) => !ids.has(picture.id))];
  all.sort((one, other) => other.date.localeCompare(one.date));
  return remember("history", all.slice(0, MOST));
}

export function forget(ids) {
  const gone = new Set(ids);
  remember("history", pictures().filter((picture) => !gone.has(picture.id)));
}

const moment = (gmt) => gmt && `${gmt.replace(" ", "T")}Z`;

function fromAnswer(image) {
  return checked({
    ...image,
    id: image.id_encoded,
    date: moment(image.date_gmt),
    expires: moment(image.expiration_date_gmt),
    nsfw: image.nsfw === "1",
    delete: image.delete_url ? new URL(image.delete_url).pathname : null,
  });
}

const isAddress = (text) => typeof text === "string" && /^https?:\/\/[^\s"<>]+$/.test(text);

/** Returns the known fields of *entry*, or null if it is no picture. An imported file may contain anything. */
export function checked(entry) {
  if (!entry || !/^[\w-]{1,64}$/.test(entry.id ?? "")) return null;
  if (![entry.url, entry.url_viewer, entry.display_url, entry.thumb?.url].every(isAddress)) return null;
  if (Number.isNaN(Date.parse(entry.date))) return null;
  const link = String(entry.delete ?? "");
  return {
    id: entry.id,
    url: entry.url,
    url_viewer: entry.url_viewer,
    display_url: entry.display_url,
    thumb: { url: entry.thumb.url },
    title: entry.title ? String(entry.title) : null,
    original_filename: String(entry.original_filename ?? entry.id),
    size: Number(entry.size) || 0,
    date: new Date(entry.date).toISOString(),
    expires: Number.isNaN(Date.parse(entry.expires)) ? null : entry.expires,
    nsfw: entry.nsfw === true,
    delete: new RegExp(`^/image/${entry.id}/delete/[\\w-]+$`).test(link) ? link : null,
  };
}

/** Delete on the server. Resolves to whether the picture is gone there, now or already before. */
export async function deleteOnServer(picture) {
  try {
    const answer = await fetch(picture.delete, { method: "POST", headers: { Accept: "application/json" } });
    return answer.ok || answer.status === 404 || answer.status === 410;
  } catch {
    return false;
  }
}
