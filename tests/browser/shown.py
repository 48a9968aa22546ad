"""How chromium shows a picture: its size, its colours on a grid, its frames, their times, how often they repeat."""

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.browser.conftest import ARGUMENTS, chromium

GRID = 8
"""Fields across and down in which colours are compared."""

SHOW = """async ([data, type, grid]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const result = {size: null, grid: [], middle: [], frames: 0, repeats: 0, ms: []};
  const drawn = (what, width, height, left = 0, top = 0) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(what, -left, -top);
    const pixels = context.getImageData(0, 0, width, height).data;
    const sums = new Array(grid * grid * 5).fill(0);
    for (let y = 0, at = 0; y < height; y++) {
      const row = Math.floor(y * grid / height) * grid;
      for (let x = 0; x < width; x++, at += 4) {
        const field = (row + Math.floor(x * grid / width)) * 5, alpha = pixels[at + 3] / 255;
        for (let band = 0; band < 3; band++) sums[field + band] += pixels[at + band] * alpha;
        sums[field + 3] += pixels[at + 3];
        sums[field + 4] += 1;
      }
    }
    return sums.filter((_, at) => at % 5 < 4).map((sum, at) => sum / sums[Math.floor(at / 4) * 5 + 4]);
  };
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([bytes], {type}));
  try { await image.decode(); } catch { return result; }
  result.size = [image.naturalWidth, image.naturalHeight];
  const [width, height] = result.size, side = Math.min(width, height);
  result.grid.push(drawn(image, width, height));
  result.middle = drawn(image, side, side, Math.floor((width - side) / 2), Math.floor((height - side) / 2));
  try {
    const decoder = new ImageDecoder({data: bytes, type});
    await decoder.tracks.ready;
    await decoder.completed;
    const track = decoder.tracks.selectedTrack;
    result.frames = track.frameCount;
    result.repeats = track.repetitionCount === Infinity ? -1 : track.repetitionCount;
    for (let index = 0; track.frameCount > 1 && index < track.frameCount; index++) {
      const frame = (await decoder.decode({frameIndex: index})).image;
      result.ms.push(frame.duration / 1000);
      if (index && index < 4) result.grid.push(drawn(frame, frame.displayWidth, frame.displayHeight));
      frame.close();
    }
  } catch { /* such as a JPEG that ends too early: it is shown all the same */ }
  return result;
}"""


@dataclass(frozen=True)
class Shown:
    """How a browser shows a picture."""

    size: tuple[int, int] | None
    """Width and height in pixels as displayed; `None` if the browser does not show it."""
    grids: list[list[float]]
    """Red, green and blue times alpha, and alpha, as the mean of each field, of the first frames."""
    middle: list[float]
    """The same of the square in the middle of the first frame."""
    frames: int
    repeats: int
    """How often an animation is repeated; -1 for ever."""
    ms: list[float]
    """Milliseconds of each frame of an animation."""

    def distance(self, other: "Shown") -> float:
        """The largest distance between two fields (0 to 255), over the frames that both have."""
        pairs = zip(self.grids, other.grids, strict=False)
        return max(max(_distance(a, b) for a, b in zip(_fields(x), _fields(y), strict=True)) for x, y in pairs)

    def middle_distance(self, thumb: "Shown") -> float:
        """The largest distance between a field of the middle and one of a square *thumb*, of 255."""
        if not thumb.grids:
            return 255.0
        return max(_distance(a, b) for a, b in zip(_fields(self.middle), _fields(thumb.grids[0]), strict=True))

    def mean_distance(self, other: "Shown") -> float:
        """The mean distance between two fields of the first frame (0 to 255)."""
        fields = list(zip(_fields(self.grids[0]), _fields(other.grids[0]), strict=True))
        return sum(_distance(a, b) for a, b in fields) / len(fields)


def _fields(grid: list[float]) -> list[list[float]]:
    return [grid[at : at + 4] for at in range(0, len(grid), 4)]


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


class Judge:
    """An open *page* of a browser that shows pictures."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def shows(self, data: bytes, media_type: str) -> Shown:
        """How the browser shows *data*."""
        found: dict[str, Any] = await self._page.evaluate(SHOW, [base64.b64encode(data).decode(), media_type, GRID])
        size = (found["size"][0], found["size"][1]) if found["size"] else None
        return Shown(size, found["grid"], found["middle"], found["frames"], found["repeats"], found["ms"])


@asynccontextmanager
async def open_judge() -> AsyncGenerator[Judge]:
    """A browser that shows colours in sRGB. Its page counts as secure, or it would not give frames one by one."""
    async with async_playwright() as playwright:
        arguments = [*ARGUMENTS, "--force-color-profile=srgb"]
        browser = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        page = await browser.new_page()
        await page.route("http://localhost/", lambda route: route.fulfill(body="", content_type="text/html"))
        await page.goto("http://localhost/")
        yield Judge(page)
        await browser.close()
