"""The service against a model, in an order that hypothesis chooses: `python -m tests.crash.stateful [EXAMPLES]`.

Uploads, deletions, expiry, sweeps, `fsck`, restarts and deaths happen. Storage and catalog fail at any step, their
answers get lost, and clients go away. An acknowledged picture is served byte for byte until it is deleted or expires,
and never afterwards. No other row or object remains, and foreign files are left alone.
"""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from imges.access.access import Access
from imges.catalog import GUEST, ApiKey, Catalog, Image, State, open_catalog, utc_now
from imges.errors import Gone, ImgesError, NotFound
from imges.imaging import Imaging, open_imaging
from imges.maintenance.context import Context
from imges.maintenance.fsck import Checks, fsck
from imges.maintenance.fsck_findings import Findings
from imges.maintenance.work_folders import WorkFolder
from imges.pictures import Pictures
from imges.pictures.drafts import Uploaded, Uploader, UploadOptions
from imges.pictures.sweeping import LEASE_LIFE
from imges.receiving.intake import Received
from imges.receiving.spool import SpoolWriter
from imges.settings import Settings
from imges.storage.places import Place, open_places
from tests import drawn
from tests.crash.fate import Blow, Fate, FatedDatabase, FatedStorage
from tests.maintenance.collection import Said, settings_of

FOREIGN = b"no picture, and none of ours"
DEEPEST = 10
"""More steps than any act takes while few pictures exist."""
Strike = tuple[Blow, int] | None
"""What happens to an act, and at which of its steps."""
strikes = st.none() | st.tuples(st.sampled_from(Blow), st.integers(1, DEEPEST))
A_LONG_TIME = timedelta(days=365)


@cache
def contents() -> list[tuple[str, bytes]]:
    """Pictures without metadata, which are stored unchanged. One has a medium, one is animated."""
    return [
        ("png", drawn.png(8, 8)),
        ("png", drawn.png(9, 9)),
        ("jpg", drawn.encoded(drawn.gradient(520, 20), "JPEG")),
        ("gif", drawn.gif(8, 8, 2)),
    ]


@dataclass
class Kept:
    """An acknowledged picture: its objects by their keys."""

    image: Image
    token: str
    objects: dict[str, bytes]


class Running:
    """A service on a data folder, as `serve` opens it. Its decoders outlive it."""

    def __init__(self, settings: Settings, imaging: Imaging, fate: Fate, clock: Callable[[], Any]) -> None:
        self.settings = settings
        self._imaging = imaging
        self._fate = fate
        self._clock = clock
        self._stack = AsyncExitStack()

    pictures: Pictures
    catalog: Catalog
    guest: ApiKey
    work_folder: WorkFolder

    async def open(self) -> None:
        enter = self._stack.enter_async_context
        opened = await enter(open_catalog(f"sqlite:///{self.settings.data_dir / 'imges.db'}", self._clock))
        fated = FatedDatabase(opened._database, self._fate)
        self.catalog = Catalog(fated, opened.images._hashes, self._clock)
        places = {
            name: Place(name, place.kind, FatedStorage(place.storage, self._fate))
            for name, place in (await enter(open_places(self.settings.storages, self.settings.storage))).items()
        }
        lease = await self.catalog.leases.take(LEASE_LIFE)
        key = await self.catalog.secret("id_key", lambda: os.urandom(32))
        self.pictures = Pictures.over(
            self.settings, self.catalog, places, self._imaging, lease=lease, id_key=key, now=self._clock
        )
        self.work_folder = self._stack.enter_context(WorkFolder.open(self.settings.data_dir))
        await enter(Access.open(self.settings, self.catalog))
        self.guest = next(key for key in await self.catalog.keys.all() if key.name == GUEST)

    async def close(self) -> None:
        """The end of a process; where it is dead, nothing that it still tries has any effect."""
        await self.pictures.background.finish()
        if not self._fate.dead:
            await self.catalog.leases.give_back(self.pictures.lease)
        await self._stack.aclose()

    async def upload(self, name: str, content: bytes, expiration: timedelta | None) -> Uploaded:
        async with self.work_folder.folder() as folder:
            writer = SpoolWriter(folder / "received", 2**20)
            await writer.write(content)
            received = Received(await writer.finish(), name, "file")
            options = UploadOptions(expiration=expiration)
            return await self.pictures.storing.upload(received, options, Uploader(self.guest, None), folder)

    async def fsck(self, *, repair: bool) -> tuple[Findings, list[str]]:
        said = Said()
        findings = await fsck(
            Context(self.settings, self.pictures, self.work_folder, said), Checks(repair, digests=True)
        )
        return findings, said.lines


class Lives(RuleBasedStateMachine):
    """See the module."""

    loop: ClassVar[asyncio.Runner]
    imaging: ClassVar[Imaging]
    folder: ClassVar[Path]

    kept = Bundle[Kept]("kept")

    def __init__(self) -> None:
        super().__init__()
        self.data_dir = Path(tempfile.mkdtemp(dir=self.folder))
        self.fate = Fate()
        self.later = timedelta()
        self.there: list[Kept] = []
        self.gone: list[Kept] = []
        self.in_doubt: list[Kept] = []
        """Deletions that broke off; the test finds out whether they were done."""
        self.unheard = False
        """Whether a process died during an upload: it may have been done without anybody knowing."""
        self.names: set[str] = set()
        self.foreign: dict[str, bytes] = {}
        self.struck = False
        """Whether fate struck the last act."""

    # How acts are done

    def now(self) -> Any:
        return utc_now() + self.later

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    async def _tried(self, work: Coroutine[Any, Any, Any], strike: Strike = None) -> Any:
        """Returns the result of *work*; `None` if fate struck it. A dead process is replaced by a new one."""
        fate = self.fate
        fate.victim = task = asyncio.create_task(work)
        if strike:
            fate.arm(*strike)
        try:
            return await task
        except (ImgesError, asyncio.CancelledError):
            assert fate.struck
            return None
        finally:
            await self._calm()
            fate.heal()
            self.struck = fate.struck
            if self.fate.dead:
                await self._restart(abruptly=True)

    async def _calm(self) -> None:
        """Waits for work in the background."""
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    async def _restart(self, *, abruptly: bool, at_once: bool = True) -> None:
        """*at_once*: the lock tells the lease of the dead one, else it has to end by itself."""
        lease = self.running.pictures.lease
        self.fate.dead = abruptly
        await self.running.close()
        self.fate = Fate()
        self.running = Running(self.settings, self.imaging, self.fate, self.now)
        await self.running.open()
        if abruptly and at_once:
            await self.running.catalog.leases.give_back(lease)

    async def _settled(self) -> None:
        """Nothing fails any more, and all that was left is done."""
        self.later += 2 * LEASE_LIFE  # of the dead
        await self.running.pictures.sweeping.renew_lease()
        await self.running.pictures.sweeping.sweep()
        self._expire()

    def _expire(self) -> None:
        for kept in [kept for kept in self.there + self.in_doubt if kept.image.expires]:
            if kept.image.expires <= self.now():
                self._is_gone(kept)

    def _is_gone(self, kept: Kept) -> None:
        for held in (self.there, self.in_doubt):
            if kept in held:
                held.remove(kept)
        if kept not in self.gone:
            self.gone.append(kept)

    # What may happen

    @initialize(naming=st.sampled_from(("original", "mixed", "random")), ids=st.sampled_from(("random", "short")))
    def begin(self, naming: str, ids: str) -> None:
        self.settings = settings_of(self.data_dir, IMAGES__NAMING=naming, IMAGES__IDS=ids)
        self.running = Running(self.settings, self.imaging, self.fate, self.now)
        self.do(self.running.open())

    @rule(
        target=kept,
        picture=st.integers(0, 3),
        name=st.sampled_from("abc"),
        minutes=st.sampled_from((None, None, 1, 60)),
        strike=strikes,
    )
    def upload(self, picture: int, name: str, minutes: int | None, strike: Strike) -> Any:
        return self.do(self._upload(*contents()[picture], name, minutes, strike))

    async def _upload(self, kind: str, content: bytes, name: str, minutes: int | None, strike: Strike) -> Any:
        self.names.add(f"{name}.{kind}")
        expiration = None if minutes is None else timedelta(minutes=minutes)
        before = self.running
        uploaded: Uploaded | None = await self._tried(before.upload(f"{name}.{kind}", content, expiration), strike)
        if uploaded is None:
            self.unheard |= self.running is not before
            return multiple()
        assert uploaded.delete_token
        image = uploaded.image
        kept = Kept(image, uploaded.delete_token, {file.key: self._file(file.key) for file in image.files()})
        assert kept.objects[image.original.key] == content
        self.there.append(kept)
        return kept

    @rule(kept=kept, strike=strikes)
    def delete(self, kept: Kept, strike: Strike) -> None:
        self.do(self._delete(kept, strike))

    async def _delete(self, kept: Kept, strike: Strike) -> None:
        was_there = kept in self.there
        if was_there:
            self.there.remove(kept)
            self.in_doubt.append(kept)

        async def delete() -> bool:
            deleting = self.running.pictures.deleting
            try:
                image = await deleting.by_token(kept.image.id, kept.token)
            except (Gone, NotFound):
                assert not was_there or (kept.image.expires and kept.image.expires <= self.now())
                return True
            await deleting.delete(image)
            return True

        if await self._tried(delete(), strike):
            self._is_gone(kept)

    @rule(kept=kept, token=st.sampled_from(("", "!", "\ud800")))
    def delete_by_a_wrong_token(self, kept: Kept, token: str) -> None:
        async def attempt() -> None:
            deleting = self.running.pictures.deleting
            with pytest.raises((NotFound, Gone)):
                await deleting.by_token(kept.image.id, kept.token[:-1] + token)

        self.do(attempt())

    @rule(time=st.sampled_from((timedelta(seconds=50), timedelta(minutes=2), timedelta(hours=2), A_LONG_TIME)))
    def time_passes(self, time: timedelta) -> None:
        self.later += time
        self._expire()
        self.do(self.running.pictures.sweeping.renew_lease())

    @rule(strike=strikes)
    def sweep(self, strike: Strike) -> None:
        self.do(self._tried(self.running.pictures.sweeping.sweep(), strike))
        if self.struck and strike and strike[0] is Blow.CANCEL:  # it is cut off when the process ends, and only then
            self.stop_and_start()

    @rule()
    def stop_and_start(self) -> None:
        self.do(self._restart(abruptly=False))

    @rule(at_once=st.booleans())
    def die_and_start(self, at_once: bool) -> None:
        self.do(self._restart(abruptly=True, at_once=at_once))

    @rule(name=st.sampled_from("abc"), number=st.integers(0, 3))
    def somebody_lays_a_file_there(self, name: str, number: int) -> None:
        """Puts a foreign file under a key that no upload has used yet."""
        kind = contents()[number][0]
        date = self.now().astimezone(self.running.settings.site.time_zone)
        key = f"{date:%Y/%m/%d}/{name}.{kind}"
        if f"{name}.{kind}" in self.names:
            return
        self.names.add(f"{name}.{kind}")
        self.foreign[key] = FOREIGN + key.encode()
        path = self.data_dir / "images" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.foreign[key])

    @rule()
    def fsck_repairs(self) -> None:
        """`fsck` repairs what it finds; a second run finds nothing."""
        self.do(self._fsck_repairs())

    async def _fsck_repairs(self) -> None:
        _, said = await self.running.fsck(repair=True)
        for key, content in self.foreign.items():
            assert (self.data_dir / "lost+found/disk" / key).read_bytes() == content, said
        self.foreign = {}
        self._expire()
        findings, said = await self.running.fsck(repair=False)
        assert not findings.left, said

    @rule()
    def all_is_well_in_the_end(self) -> None:
        self.do(self._all_is_well())

    async def _all_is_well(self) -> None:
        await self._settled()
        await self._look()
        rows = [kept.image for kept in await self.running.catalog.inventory.page(limit=1000)]
        assert all(row.state == State.PUBLISHED for row in rows)
        known = {kept.image.number for kept in self.there}
        assert known <= {row.number for row in rows}
        assert self.unheard or known == {row.number for row in rows}
        objects = {file.key for row in rows for file in row.files()}
        assert self._objects() == objects | set(self.foreign)
        guest = next(key for key in await self.running.catalog.keys.all() if key.name == GUEST)
        assert (guest.pictures, guest.bytes) == (len(rows), sum(row.stored_bytes for row in rows))
        findings, said = await self.running.fsck(repair=False)
        assert findings.left == len(self.foreign), said

    # What is always true

    @invariant()
    def what_was_acknowledged_is_served_and_nothing_else(self) -> None:
        if hasattr(self, "running"):
            self.do(self._look())

    async def _look(self) -> None:
        for kept in list(self.in_doubt):
            try:
                await self.running.pictures.finding.by_id(kept.image.id)
            except Gone:
                self._is_gone(kept)
            else:
                self.in_doubt.remove(kept)
                self.there.append(kept)
        self._expire()
        for kept in self.there:
            assert (await self.running.pictures.finding.by_id(kept.image.id)).id == kept.image.id
            for key, content in kept.objects.items():
                assert await self._served(key) == content, key
        for kept in self.gone:
            await self._refused(self.running.pictures.finding.by_id(kept.image.id))
            for key in kept.objects:
                await self._refused(self.running.pictures.finding.locate(key))
        for key, content in self.foreign.items():
            assert self._file(key) == content

    async def _served(self, key: str) -> bytes:
        located = await self.running.pictures.finding.locate(key)
        async with located.storage.open(key) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def _refused(self, asked: Awaitable[object]) -> None:
        with pytest.raises(Gone):
            await asked

    def _file(self, key: str) -> bytes:
        return (self.data_dir / "images" / key).read_bytes()

    def _objects(self) -> set[str]:
        root = self.data_dir / "images"
        return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}

    def teardown(self) -> None:
        try:
            if hasattr(self, "running"):
                self.do(self._end())
        finally:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    async def _end(self) -> None:
        try:
            await self._all_is_well()
        finally:
            await self.running.close()


@contextmanager
def below(folder: Path) -> Generator[None]:
    """The state on which all examples start."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        imaging = open_imaging("auto", workers=1, limit=timedelta(seconds=60), memory=2**29, spool=folder / "decoders")
        Lives.loop, Lives.folder = runner, folder
        Lives.imaging = runner.run(stack.enter_async_context(imaging))
        runner.run(Lives.imaging.ready())
        try:
            yield
        finally:
            runner.run(stack.aclose())


def lives(examples: int, **more: Any) -> None:
    """Run *examples* lives. Raises `AssertionError` with the steps that lead to a failure."""
    thorough = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], **more)
    run_state_machine_as_test(Lives, settings=thorough)


def steps(act: Callable[[Lives, Strike], object], blow: Blow, *, laid: bool = False) -> int:
    """Lets *blow* happen at each step of *act*. Returns the number of steps. *laid*: a foreign file is in the way."""
    for number in count(1):
        life = Lives()
        try:
            life.begin("original", "random")
            if laid:
                life.somebody_lays_a_file_there("a", 0)
            act(life, (blow, number))
            life.what_was_acknowledged_is_served_and_nothing_else()
            if not life.struck:
                return number - 1
        finally:
            life.teardown()
    raise AssertionError("unreachable")


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    logging.disable()
    with tempfile.TemporaryDirectory() as name, below(Path(name)):
        lives(wanted, derandomize=False, stateful_step_count=40)
    click.echo(f"{wanted} lives of a server: nothing acknowledged was lost, nothing else stayed")
