"""What an import would do, without doing it: how much would come, and where old addresses would lead."""

import re
from contextlib import suppress
from dataclasses import dataclass, field

from imges.catalog import Shows, utc_now
from imges.errors import ImgesError
from imges.maintenance.context import Context
from imges.maintenance.importing import Wanted, made_keys
from imges.maintenance.old_keys import OldKey
from imges.maintenance.records import LeftOut, Records
from imges.maintenance.source import Known, NotTaken, Source, old_path
from imges.maintenance.tree import OldFile, Refused

SAMPLES = 10

_VIEWER = re.compile(r"/image/(?:.*\.)?([0-9A-Za-z]+)/?")
"""An address of a viewer, as imges and Chevereto have it."""


@dataclass(slots=True)
class Trial:
    """How many pictures would come in, are here, or would be left out; and how many records have no file."""

    pictures: int = 0
    present: int = 0
    refused: int = 0
    without_file: int = 0
    unreadable: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Addresses at the old host, and where they would lead here."""


async def rehearse(context: Context, wanted: Wanted) -> Trial:
    """Returns what `bring_in` would do. Files are not opened, so damaged ones are counted as pictures.

    Raises `NotTaken` or `NotUnderstood` as `bring_in` does.
    """
    async with Records.open() as records:
        source = Source(wanted.folder, wanted.host, wanted.also, records, context.progress)
        await source.read()
        trial = Trial(refused=len(wanted.host.problems), unreadable=source.unreadable)
        for problem in wanted.host.problems:
            context.progress.say(f"{problem}: this row makes no sense")
        context.progress.stage("looking", await source.count())
        async for found in source.files():
            await _one(context, source, found, trial)
            context.progress.advance(1)
        trial.without_file = await records.unused()
        return trial


async def _one(context: Context, source: Source, found: OldFile | Refused, trial: Trial) -> None:
    try:
        if isinstance(found, Refused):
            raise NotTaken(found.reason)
        known = await source.known(found.name)
        if known.record.expires is not None and known.record.expires <= utc_now():
            raise NotTaken("it has expired")
    except ImgesError as error:
        trial.refused += 1
        context.progress.say(f"{found.name if isinstance(found, OldFile) else found.shown}: left out: {error.message}")
        return
    key = found.key or next(made_keys(context, found, known.record, None))
    if key.key in await context.catalog.inventory.owners([key.key]):
        trial.present += 1
    else:
        trial.pictures += 1
    if len(trial.samples) < SAMPLES:
        trial.samples += _leads(found, known, key)[: SAMPLES - len(trial.samples)]


def _leads(file: OldFile, known: Known, key: OldKey) -> list[tuple[str, str]]:
    """Returns the old addresses of a picture, each with the new one that it would lead to."""
    found = [(each.path, _page(known) if each.shows is Shows.PAGE else f"/images/{key.key}") for each in known.old]
    if known.record.id is not None:
        found.insert(0, (f"/image/{known.record.id}", f"/image/{known.record.id}"))
    return found or ([(f"/images/{file.name}", f"/images/{key.key}")] if file.key else [])


def _page(known: Known) -> str:
    return f"/image/{known.record.id or '(a new id)'}"


async def try_address(context: Context, wanted: Wanted, address: str) -> str | None:
    """Returns which picture an *address* at the old host shows, in words; `None` if it is the address of none.

    Raises `NotTaken` or `NotUnderstood` as `bring_in` does.
    """
    path = old_path(address)
    if path is None:
        return None
    async with Records.open() as records:
        source = Source(wanted.folder, wanted.host, wanted.also, records, context.progress)
        await source.read()
        viewer = _VIEWER.fullmatch(path)
        name = await records.named(identity=viewer[1]) if viewer else None
        async for found in source.files():
            if isinstance(found, OldFile):
                with suppress(LeftOut, NotTaken):
                    known = await source.known(found.name)
                    is_own = found.key is not None and path == f"/images/{found.key.key}"
                    if name == found.name or is_own or path in {each.path for each in known.old}:
                        return f"{path} is {found.name}{_told(known)}"
        if name is None:
            return None
        record = await records.peek(name)
        return f"{path} is {name}{_told(Known(record, ())) if record else ''}, which has no file here"


def _told(known: Known) -> str:
    record = known.record
    title = f', "{record.title}"' if record.title else ""
    return f"{title}, of {record.created:%Y-%m-%d %H:%M} UTC" if record.created else title
