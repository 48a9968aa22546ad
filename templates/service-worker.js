// Answers if the site cannot be reached, and receives the pictures that a phone's share menu sends.
const SHELL = {{ shell | tojson }};
const CACHE = "imges{{ static }}";
const SHARED = "imges-shared";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOld().then(() => self.clients.claim()));
});

async function forgetOld() {
  for (const name of await caches.keys()) {
    if (name.startsWith("imges") && name !== CACHE && name !== SHARED) await caches.delete(name);
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "POST" && url.pathname === "/" && url.searchParams.has("shared")) {
    event.respondWith(keepShared(request));
  } else if (request.mode === "navigate" && request.method === "GET") {
    event.respondWith(fetch(request).catch(() => caches.match("/offline")));
  } else if (SHELL.includes(url.pathname + url.search)) {
    event.respondWith(fetch(request).catch(() => caches.match(request)));
  }
});

/** Store what was shared; the upload page fetches it from there. */
async function keepShared(request) {
  const form = await request.formData();
  const cache = await caches.open(SHARED);
  const files = form.getAll("source").filter((file) => file.size);
  for (const [number, file] of files.entries()) {
    const headers = { "Content-Type": file.type, "X-Name": encodeURIComponent(file.name) };
    await cache.put(`/shared/${number}`, new Response(file, { headers }));
  }
  const text = `${form.get("shared_url") ?? ""} ${form.get("shared_text") ?? ""}`;
  const address = text.match(/https?:\/\/\S+/);
  if (!files.length && address) await cache.put("/shared/address", new Response(address[0]));
  return Response.redirect("/?shared", 303);
}
