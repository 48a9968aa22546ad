// The codes of a picture, in the chosen format. The server makes the same ones.
import { $, remember, remembered } from "./page.js";

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };
const html = (text) => text.replace(/[&<>'"]/g, (sign) => escapes[sign]);
const markdown = (text) => text.replace(/[\\[\]]/g, "\\$&");

/** Returns the code of *image* (API v1's object) in *format*. */
export function code(image, format) {
  const { url, url_viewer: viewer } = image;
  const alt = image.title || image.original_filename;
  const [kind, extent] = format.split("-");
  const shown = { full: url, thumb: image.thumb.url }[extent] ?? image.display_url;
  switch (kind) {
    case "viewer": return viewer;
    case "current": return viewer + url.slice(url.lastIndexOf("."));
    case "thumb": return image.thumb.url;
    case "html": {
      const picture = `<img src="${shown}" alt="${html(alt)}">`;
      return extent === "full" ? picture : `<a href="${viewer}">${picture}</a>`;
    }
    case "markdown": {
      const picture = `![${markdown(alt)}](${shown})`;
      return extent === "full" ? picture : `[${picture}](${viewer})`;
    }
    case "bbcode": {
      const picture = `[img]${shown}[/img]`;
      return extent === "full" ? picture : `[url=${viewer}]${picture}[/url]`;
    }
    default: return url;
  }
}

/** Store the visitor's choice of format. Calls *changed* with the present format, and with each new one. */
export function chooseFormat(changed) {
  const select = $("format");
  const last = remembered("format");
  if ([...select.options].some((option) => option.value === last)) select.value = last;
  select.addEventListener("change", () => {
    remember("format", select.value);
    changed(select.value);
  });
  changed(select.value);
}
