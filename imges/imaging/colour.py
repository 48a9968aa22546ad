"""What a file says about its colours without an ICC profile, as an ICC profile.

PNG has gAMA, cHRM and cICP, AVIF and HEIC have nclx. Browsers obey them, libvips and Pillow do not. As a profile they
go the same way as all other profiles. Code points: ITU-T H.273.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import exp, log

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue."""

D65 = (0.3127, 0.3290)
SRGB: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
PRIMARIES: dict[int, Chromaticities] = {
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
"""Primaries by their code point: BT.601 twice, BT.2020, the cinema's P3, Display P3. Others count as sRGB's."""
PQ, HLG = 16, 18
VIDEO = {1, 6, 14, 15}
"""Code points of the transfer function of video. Chromium takes it for that of sRGB, but in PNGs for `VIDEO_GAMMA`."""
VIDEO_GAMMA = 2.4
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
"""Transfer functions that are a power. All others count as that of sRGB."""

WHITE = 203.0
"""Candelas a square metre of the white of ordinary pictures within PQ and HLG (ITU-R BT.2408)."""
BRIGHTEST = 1000.0
"""Candelas a square metre that become white; what is brighter is clipped."""
SAMPLES = 1024
"""Points of a curve in a profile."""
TOLERANCE = 0.002
"""By how much chromaticities of sRGB may be off: files round them."""

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
D50 = (0.9642, 1.0, 0.8249)
BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


@dataclass(frozen=True, slots=True)
class Colour:
    """Colours that are not sRGB: *chromaticities*, and the *transfer* function: a code point, or a power if a float."""

    chromaticities: Chromaticities
    transfer: int | float

    @property
    def is_hdr(self) -> bool:
        """Whether it has more brightness than a picture of 8 bits shows, so that it must be mapped."""
        return self.transfer in (PQ, HLG)


def coded(primaries: int, transfer: int, *, video: bool) -> Colour | None:
    """The colours of these code points; `None` if they are those of sRGB.

    If the format is one of *video*, video's transfer function counts as that of sRGB.
    """
    known = transfer if transfer in (PQ, HLG) else GAMMAS.get(transfer, 0)
    if transfer in VIDEO and not video:
        known = VIDEO_GAMMA
    if primaries not in PRIMARIES and not known:
        return None
    return Colour(PRIMARIES.get(primaries, SRGB), known)


def measured(gamma: float | None, chromaticities: Chromaticities | None) -> Colour | None:
    """The colours of this power and these *chromaticities*; `None` if they are those of sRGB."""
    colours = chromaticities or SRGB
    is_srgb = all(abs(a - b) <= TOLERANCE for a, b in zip(colours, SRGB, strict=True))
    if gamma is None or not 0.2 < gamma < 5 or min(colours[1], colours[3], colours[5], colours[7]) <= 0:
        return None
    return None if is_srgb and abs(gamma - 2.2) < 0.02 else Colour(colours, float(gamma))


@cache
def profile(colour: Colour) -> bytes:
    """An ICC profile of these colours (ICC.1:2001-04, the version that every reader knows)."""
    curve = _curve(colour.transfer)
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 7) + b"colour\0" + bytes(78),
        b"cprt": b"text\0\0\0\0-\0",
        b"wtpt": _xyz(D50),
        **{name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _columns(colour), strict=True)},
        b"rTRC": curve,
    }
    at = 128 + 4 + 12 * (len(tags) + 2)
    table, body = b"", b""
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(value))
        body += padded
    same = table[-8:]
    table += b"gTRC" + same + b"bTRC" + same
    size = at + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s28x", size, 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head += struct.pack(">iii", *(round(part * 65536) for part in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags) + 2) + table + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(value * 65536) for value in values))


def _curve(transfer: float) -> bytes:
    function = _linear(transfer)
    values = [round(65535 * min(1.0, max(0.0, function(n / (SAMPLES - 1))))) for n in range(SAMPLES)]
    return b"curv\0\0\0\0" + struct.pack(f">I{SAMPLES}H", SAMPLES, *values)


def _linear(transfer: float) -> Callable[[float], float]:
    """Converts a value of the file to light, both 0 to 1."""
    if isinstance(transfer, float):
        return lambda value: value**transfer
    if transfer == PQ:
        return lambda value: _mapped(_pq(value) / WHITE)
    if transfer == HLG:
        return lambda value: _mapped(BRIGHTEST * _hlg(value) ** 1.2 / WHITE)
    return lambda value: value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _pq(value: float) -> float:
    """Candelas a square metre (SMPTE ST 2084)."""
    power = value ** (32 / 2523)
    return 10_000 * (max(0.0, power - 107 / 128) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)


def _hlg(value: float) -> float:
    """Light before the camera, 0 to 1 (ITU-R BT.2100)."""
    if value <= 0.5:
        return value * value / 3
    return (exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _mapped(light: float) -> float:
    """Light in multiples of white, brought down to 1: a curve within 0.01 of what Chromium 150 shows."""
    if light <= 1:
        return light / 2
    return 0.5 + 0.5 * (log(light) / log(BRIGHTEST / WHITE)) ** 0.87


# Matrices


def _columns(colour: Colour) -> list[tuple[float, float, float]]:
    """Red, green and blue in XYZ, seen under D50."""
    white = _point(*colour.chromaticities[:2])
    red, green, blue = (_point(*colour.chromaticities[at : at + 2]) for at in (2, 4, 6))
    amounts = _times(_inverse(_transposed((red, green, blue))), white)
    adapted = _adaptation(white)
    points = zip((red, green, blue), amounts, strict=True)
    return [_times(adapted, (amount * x, amount * y, amount * z)) for (x, y, z), amount in points]


def _point(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _adaptation(white: tuple[float, float, float]) -> Matrix:
    """What a colour under *white* looks like under D50 (Bradford)."""
    before, after = _times(BRADFORD, white), _times(BRADFORD, D50)
    scaled = tuple(tuple(a / b * part for part in row) for row, a, b in zip(BRADFORD, after, before, strict=True))
    inverse = _inverse(BRADFORD)
    columns = [_times(inverse, (scaled[0][n], scaled[1][n], scaled[2][n])) for n in range(3)]
    return _transposed((columns[0], columns[1], columns[2]))


def _times(matrix: Matrix, vector: tuple[float, float, float]) -> tuple[float, float, float]:
    one, two, three = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return one, two, three


def _transposed(rows: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return (a, d, g), (b, e, h), (c, f, i)


def _inverse(rows: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = rows
    size = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if not size:
        raise ZeroDivisionError
    return (
        ((e * i - f * h) / size, (c * h - b * i) / size, (b * f - c * e) / size),
        ((f * g - d * i) / size, (a * i - c * g) / size, (c * d - a * f) / size),
        ((d * h - e * g) / size, (b * g - a * h) / size, (a * e - b * d) / size),
    )
