"""Maintenance over PostgreSQL: fsck, rebuild, migrate, export and import."""

from pathlib import Path

import pytest

from imges.maintenance.exporting import take_out
from imges.maintenance.importing import Wanted, bring_in
from imges.maintenance.migrate import Move, migrate
from imges.maintenance.rebuild import rebuild
from tests import drawn
from tests.maintenance.collection import open_library
from tests.servers import PostgresServer


@pytest.fixture
def databases(postgres: PostgresServer) -> list[str]:
    return [postgres.new_database() for _ in range(2)]


async def test_all_of_it_works_over_postgresql(tmp_path: Path, databases: list[str]):
    other = {"STORAGES__OTHER__TYPE": "datefolder", "STORAGES__OTHER__ROOT": str(tmp_path / "other")}
    async with open_library(tmp_path / "data", CATALOG__URL=databases[0], **other) as library:
        for n in range(3):
            await library.upload(drawn.jpeg(600 + n), f"{n}.jpg")
        deleted = await library.upload(drawn.png(), "gone.png")
        content = library.file(deleted.original.key).read_bytes()
        await library.pictures.deleting.delete(deleted)
        library.file(deleted.original.key).write_bytes(content)
        library.file("2014/06/04").mkdir(parents=True)
        library.file("2014/06/04/stray.png").write_bytes(drawn.png())
        image = (await library.rows())[0]
        library.file(image.thumb.key).unlink()
        findings, said = await library.fsck(repair=True)
        assert (findings.mended, findings.left) == (3, 0), said.lines
        assert (await library.fsck(digests=True))[0].left == 0
        assert (await rebuild(library.context, [], changed=False, parallel=2)).pictures == 4
        moved = await migrate(library.context, Move(to=library.pictures.places["other"]))
        assert (moved.pictures, moved.failed, library.files()) == (4, 0, set())
        assert (await library.fsck(digests=True))[0].left == 0
        assert (await library.pictures.catalog.figures.statistics()).places["other"][0] == 4
        await take_out(library.context, tmp_path / "export", parallel=2)
    async with open_library(tmp_path / "again", CATALOG__URL=databases[1]) as library:
        assert (await bring_in(library.context, Wanted(tmp_path / "export"))).pictures == 4
