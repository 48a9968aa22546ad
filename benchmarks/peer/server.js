// The peer: express + multer + sharp + node:sqlite, storing what imges stores, synced before it answers.
// node server.js PORT FOLDER
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import express from "express";
import multer from "multer";
import sharp from "sharp";

const [port, root] = process.argv.slice(2);
const spool = path.join(root, "spool");
mkdirSync(spool, { recursive: true });
sharp.concurrency(1);
sharp.cache(false);

const database = new DatabaseSync(path.join(root, "peer.db"));
database.exec(`
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE images (id TEXT PRIMARY KEY, name TEXT UNIQUE, md5 TEXT, size INTEGER, width INTEGER, height INTEGER)`);
const insert = database.prepare("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?)");

const ENCODERS = {
  jpeg: (image) => image.jpeg({ quality: 85 }),
  webp: (image) => image.webp({ quality: 80 }),
  png: (image) => image.png({ compressionLevel: 6 }),
  gif: (image) => image.gif({ effort: 1, dither: 0 }),
};

async function sync(name) {
  const handle = await open(name);
  await handle.sync();
  await handle.close();
}

async function store(data, name) {
  const handle = await open(name, "wx");
  await handle.writeFile(data);
  await handle.sync();
  await handle.close();
}

async function upload(request, response) {
  const { path: file, originalname, size } = request.file;
  const { format, width, height, pages } = await sharp(file, { failOn: "error" }).metadata();
  const encode = ENCODERS[format];
  const md5 = createHash("md5").update(await readFile(file)).digest("hex");
  const folder = path.join(root, "images", new Date().toISOString().slice(0, 10).replaceAll("-", "/"));
  await mkdir(folder, { recursive: true });
  const stem = path.join(folder, path.parse(originalname).name);
  const end = path.extname(originalname);
  const still = await sharp(file, { failOn: "error" }).rotate()
    .resize({ width: 500, withoutEnlargement: true }).raw().toBuffer({ resolveWithObject: true });
  const pixels = () => sharp(still.data, { raw: still.info });
  if (width > 500) {
    const medium = pages > 1 ? sharp(file, { animated: true }).resize({ width: 500 }) : pixels();
    await store(await encode(medium).toBuffer(), `${stem}.md${end}`);
  }
  await store(await encode(pixels().resize(160, 160)).toBuffer(), `${stem}.th${end}`);
  await link(file, stem + end);
  await sync(stem + end);
  await sync(folder);
  const id = randomBytes(8).toString("hex");
  insert.run(id, originalname, md5, size, width, height);
  await rm(file);
  const url = `http://127.0.0.1:${port}/images/${path.relative(path.join(root, "images"), stem + end)}`;
  response.json({ status_code: 200, image: { id_encoded: id, url, md5, size, width, height } });
}

const app = express();
app.use("/images", express.static(path.join(root, "images"), { immutable: true, maxAge: "1y" }));
app.post("/api/1/upload", multer({ dest: spool }).single("source"), upload);
app.listen(Number(port), "127.0.0.1");
