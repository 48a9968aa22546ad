// The format of a file by its first bytes, by the same rules as the server's.

const text = (bytes, start, end) => String.fromCharCode(...bytes.subarray(start, end));

/** Returns `jpg`, `png`, …, or an empty text for unknown formats. */
export async function format(file) {
  const bytes = new Uint8Array(await file.slice(0, 32).arrayBuffer());
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "jpg";
  if (text(bytes, 1, 4) === "PNG") return "png";
  if (text(bytes, 0, 4) === "GIF8") return "gif";
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return "webp";
  if (text(bytes, 4, 8) === "ftyp") return text(bytes, 8, 32).includes("avi") ? "avif" : "heic";
  if (/^(II\*\0|MM\0\*)/.test(text(bytes, 0, 4))) return "tiff";
  if (text(bytes, 0, 2) === "BM") return "bmp";
  return "";
}
