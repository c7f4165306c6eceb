// Keeps the page's own files, so that it opens without a network. Releases are never kept here.

const CACHE = "tinyops-wrist-phone-1e0cfe03c54f9c9b";
const OURS = "tinyops-wrist-phone-";
const FILES = [
  "./app.js",
  "./board.js",
  "./client.js",
  "./compiled.js",
  "./counts.js",
  "./entry.js",
  "./envelope.js",
  "./feeding.js",
  "./icon.svg",
  "./index.html",
  "./manifest.webmanifest",
  "./microphone.js",
  "./model.js",
  "./page.js",
  "./plot.js",
  "./posting.js",
  "./recording.js",
  "./resample.js",
  "./screen.js",
  "./sensors.js",
  "./source.js",
  "./storage.js",
  "./style.css",
  "./trust.js",
  "./upkeep.js",
  "./worker.js"
];

self.addEventListener("install", (event) => {
  const fresh = FILES.map((name) => new Request(name, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const forget = (names) => names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name));
  event.waitUntil(caches.keys().then((names) => Promise.all(forget(names))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const scope = new URL("./", self.location);
  if (event.request.method !== "GET" || !url.href.startsWith(scope.href)) return;
  const name = `./${url.pathname.slice(scope.pathname.length)}`;
  const wanted = name === "./" ? "./index.html" : name;
  if (!FILES.includes(wanted)) return;
  const kept = caches.open(CACHE).then((cache) => cache.match(new URL(wanted, scope)));
  event.respondWith(kept.then((found) => found ?? fetch(event.request)));
});
