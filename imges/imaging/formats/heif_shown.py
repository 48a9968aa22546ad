"""What of an AVIF is shown: the filter keeps these items and properties and nothing else.

It is an allow list. What this module does not know could be text about the photographer, so it goes. If the picture
cannot be shown without it, the picture is refused. Properties: ISO/IEC 23008-12, 6.5, and AOM's specification of AVIF.
"""

from collections import defaultdict
from typing import NamedTuple

from imges.errors import NotAnImage
from imges.imaging.formats.heif_boxes import Box
from imges.imaging.formats.heif_items import Meta, Reference, read_references
from imges.imaging.formats.parts import MAX_ICC

CODED = b"av01"
DERIVED = {b"grid": 12, b"tmap": 200, b"sato": 3000}
"""Items that say how other items become a picture, and their most bytes: tiles, a gain map, layers."""
LAYERED = {b"tmap", b"sato"}
"""Derived items that show the primary item in another way. They refer to it, not the other way round."""
ALPHA = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"}
"""The names of transparency. Other auxiliary pictures, such as maps of depth, are not shown."""
PROPERTIES = {
    b"ispe": 12,
    b"pixi": 20,
    b"av1C": 100,
    b"colr": 4 + MAX_ICC,
    b"pasp": 8,
    b"clap": 32,
    b"irot": 1,
    b"imir": 1,
    b"ccst": 8,
    b"a1op": 1,
    b"a1lx": 13,
    b"lsel": 2,
    b"iscl": 12,
    b"clli": 4,
    b"mdcv": 24,
    b"cclv": 37,
    b"amve": 8,
    b"ndwt": 8,
    b"reve": 20,
}
"""Properties that say how to show an item or a track, and their most bytes: a longer one would be something else."""
COLOURS = {b"nclx": 11, b"nclc": 10, b"prof": 4 + MAX_ICC, b"rICC": 4 + MAX_ICC}
"""The kinds of `colr` (ISO/IEC 14496-12, 12.1.5), and their most bytes."""

Ways = dict[int, list[int]]
"""Other items, by the item that leads to them."""


class Shown(NamedTuple):
    """What of the `meta` box stays."""

    meta: Meta
    references: list[Reference]
    sizes: list[int]
    """How many bytes of each property stay; 0 for one that goes."""
    items: set[int]


def read_shown(data: bytes, meta: Meta) -> Shown:
    """The primary item, what it is made of, and what it is seen through or may be replaced by.

    Raises `NotAnImage` if one of them has a type or an essential property that is not known here.
    """
    references = read_references(data, meta)
    sizes = [kept(data, box) for box in meta.every]
    made_of_it = _made_of_it(references)
    unknown = [item for item in {*meta.kinds, *made_of_it} if not _is_known(meta, sizes, item)]
    unknown += _unknown_auxiliaries(data, meta, references)
    items = _reached([meta.primary], _near(meta, references), _reached(unknown, made_of_it, set()))
    if not items:
        raise NotAnImage("the picture cannot be shown without something that is not in the standard")
    return Shown(meta, references, sizes, items)


def _made_of_it(references: list[Reference]) -> Ways:
    """From each item to the items that are made of it: they cannot be shown if it cannot."""
    ways: defaultdict[int, list[int]] = defaultdict(list)
    for box, source, targets in references:
        for target in targets if box.kind == b"dimg" else ():
            ways[target].append(source)
    return ways


def _near(meta: Meta, references: list[Reference]) -> Ways:
    """From each item to those that show it: its parts, its transparency, the layers over it."""
    ways: defaultdict[int, list[int]] = defaultdict(list)
    for box, source, targets in references:
        if box.kind == b"dimg":
            ways[source] += targets
        if box.kind == b"auxl" or meta.kinds.get(source) in LAYERED:
            for target in targets:
                ways[target].append(source)
    return ways


def _unknown_auxiliaries(data: bytes, meta: Meta, references: list[Reference]) -> list[int]:
    """Auxiliary items that are not transparency."""
    alphas = {item for item in meta.associations if _is_alpha(data, meta, item)}
    return [source for box, source, _ in references if box.kind == b"auxl" and source not in alphas]


def _is_alpha(data: bytes, meta: Meta, item: int) -> bool:
    return any(box.kind == b"auxC" and kept(data, box) for box in meta.properties(item))


def _reached(start: list[int], ways: Ways, never: set[int]) -> set[int]:
    """All items that *ways* lead to from *start*, and *start* itself, without those of *never*."""
    reached: set[int] = set()
    todo = list(start)
    while todo:
        item = todo.pop()
        if item not in reached and item not in never:
            reached.add(item)
            todo += ways.get(item, [])
    return reached


def _is_known(meta: Meta, sizes: list[int], item: int) -> bool:
    """Whether the item has bytes, and its type and all its essential properties are known here."""
    kind = meta.kinds.get(item, b"")
    lengths = [end - begin for begin, end in meta.locations.extents.get(item, [])]
    if not lengths or 0 in lengths or (kind != CODED and sum(lengths) > DERIVED.get(kind, 0)):
        return False
    needed = [said.which for said in meta.associations.get(item, []) if said.essential]
    return all(0 < which <= len(sizes) and sizes[which - 1] for which in needed)


def kept(data: bytes, box: Box) -> int:
    """How many bytes of a property stay; 0 for one that goes."""
    size = box.stop - box.body
    if box.kind in (b"auxC", b"auxi"):
        name = data[box.body + 4 : box.stop].partition(b"\0")[0]
        return 4 + len(name) if name in ALPHA else 0
    if box.kind == b"colr":
        return size if size <= COLOURS.get(data[box.body : box.body + 4], 0) else 0
    return size if size <= PROPERTIES.get(box.kind, 0) else 0
