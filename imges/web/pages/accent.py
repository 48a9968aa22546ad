"""The site's own colour: `site.accent`, made readable on light and on dark pages."""

LIGHT, DARK = (0xF6, 0xF7, 0xF9), (0x1A, 0x1F, 0x27)
"""The grounds that links stand on: `--back` of the light, `--card` of the dark style."""

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
CONTRAST = 4.6
"""A little more than the 4.5 that WCAG 2.2 asks for (1.4.3)."""

Colour = tuple[int, int, int]


def stylesheet(accent: str) -> str:
    """Returns CSS properties for *accent* (`#rrggbb`), darker on light pages and lighter on dark ones as needed."""
    given = (int(accent[1:3], 16), int(accent[3:5], 16), int(accent[5:7], 16))
    light, dark = _readable(given, LIGHT, BLACK), _readable(given, DARK, WHITE)
    return f":root{{{_properties(light)}}}@media (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}\n"


def _properties(accent: Colour) -> str:
    on_accent = max((BLACK, WHITE), key=lambda text: contrast(text, accent))
    return f"--accent:{_hex(accent)};--on-accent:{_hex(on_accent)}"


def _readable(colour: Colour, ground: Colour, towards: Colour) -> Colour:
    """Returns *colour* mixed with just enough of *towards* to be readable on *ground*."""
    for percent in range(0, 100, 5):
        mixed = _mix(colour, towards, percent / 100)
        if contrast(mixed, ground) >= CONTRAST:
            return mixed
    return towards


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Returns the contrast ratio of WCAG 2.2: 1 (none) to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    channels = (value / 255 for value in colour)
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
