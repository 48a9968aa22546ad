"""What people copy: a picture's links, and the codes that show it on other sites.

`templates/static/codes.js` makes the same ones in the browser, under the same names.
"""

import re
from dataclasses import dataclass

from markupsafe import escape

from imges.catalog.types import Image
from imges.web.api.picture_json import SiteAddresses
from imges.web.pages.languages import N_

GROUPS = {
    N_("Links"): {
        "direct": N_("Direct link"),
        "viewer": N_("Viewer link (short)"),
        "current": N_("Direct link (stays current)"),
        "thumb": N_("Thumbnail link"),
    },
    "HTML": {
        "html-full": N_("HTML, full size"),
        "html": N_("HTML, medium with link"),
        "html-thumb": N_("HTML, thumbnail with link"),
    },
    "Markdown": {
        "markdown-full": N_("Markdown, full size"),
        "markdown": N_("Markdown, medium with link"),
        "markdown-thumb": N_("Markdown, thumbnail with link"),
    },
    "BBCode": {
        "bbcode-full": N_("BBCode, full size"),
        "bbcode": N_("BBCode, medium with link"),
        "bbcode-thumb": N_("BBCode, thumbnail with link"),
    },
}
"""The formats by group: the name that programs use, and the name that people read."""


@dataclass(frozen=True, slots=True)
class Code:
    """A *text* to copy: its *format* as `GROUPS` has it, and its *name* for people."""

    format: str
    name: str
    text: str


def embed_codes(image: Image, site: SiteAddresses) -> list[Code]:
    """Returns all codes of *image*, in the order of `GROUPS`."""
    direct, viewer = site.object(image.original.key), site.viewer(image)
    medium, thumb = site.object((image.medium or image.original).key), site.object(image.thumb.key)
    alt = image.title or image.original_filename
    html, markdown = escape(alt), re.sub(r"([\\\[\]])", r"\\\1", alt)
    texts = {"direct": direct, "viewer": viewer, "current": site.current(image), "thumb": thumb}
    texts |= {
        "html-full": f'<img src="{direct}" alt="{html}">',
        "markdown-full": f"![{markdown}]({direct})",
        "bbcode-full": f"[img]{direct}[/img]",
    }
    for suffix, shown in (("", medium), ("-thumb", thumb)):
        texts |= {
            f"html{suffix}": f'<a href="{viewer}"><img src="{shown}" alt="{html}"></a>',
            f"markdown{suffix}": f"[![{markdown}]({shown})]({viewer})",
            f"bbcode{suffix}": f"[url={viewer}][img]{shown}[/img][/url]",
        }
    return [Code(key, name, texts[key]) for names in GROUPS.values() for key, name in names.items()]
