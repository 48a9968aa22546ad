"""Addresses of the host that pictures came from lead to them, wherever the answer would be 404."""

import pytest

from imges.app import PICTURES
from imges.catalog import OldAddress, Shows
from tests import drawn
from tests.web.conftest import Server, Start


async def keep(imges: Server, image: dict[str, str], *addresses: OldAddress) -> None:
    pictures = imges.app[PICTURES]
    row = await pictures.finding.by_id(image["id_encoded"])
    await pictures.catalog.old_addresses.add(row.number, addresses)
    forget(imges)


def forget(imges: Server) -> None:
    """As if half a minute had gone by."""
    known = imges.app[PICTURES].old_addresses
    known._known.clear()
    known._ask_from = 0


async def test_an_old_address_is_answered_in_place_as_the_pictures_own(imges: Server):
    content = drawn.png(600, 30)
    image = await imges.uploaded(content)
    assert (await imges.get("/u/ab%20c.png")).status == 404
    await keep(
        imges,
        image,
        OldAddress("/u/ab c.png"),
        OldAddress("/t/ab.png", Shows.THUMB),
        OldAddress("/m/ab.png", Shows.MEDIUM),
        OldAddress("/images/ab.png"),
        OldAddress("/image/up.to.now"),
        OldAddress("/static/ab.png"),
    )
    own = await imges.get(image["url"])
    in_place = ["/u/ab%20c.png", "/u/ab%20c.png?download=true", "/images/ab.png", "/image/up.to.now", "/static/ab.png"]
    for path in in_place:
        for _ in range(2):  # the second is answered from memory
            answer = await imges.get(path)
            assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, content, "image/png"), path
            for name in ("ETag", "Cache-Control", "Content-Security-Policy", "Cross-Origin-Resource-Policy"):
                assert answer.headers[name] == own.headers[name], path
    assert (await imges.get("/t/ab.png")).body == (await imges.get(image["thumb"]["url"])).body
    assert (await imges.get("/m/ab.png")).body == (await imges.get(image["medium"]["url"])).body
    again = await imges.get("/u/ab%20c.png", headers={"If-None-Match": own.headers["ETag"]})
    part = await imges.get("/u/ab%20c.png", headers={"Range": "bytes=1-3"})
    assert (again.status, part.status, part.body) == (304, 206, content[1:4])
    head = await imges.request("HEAD", "/u/ab%20c.png")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(content)), b"")
    assert (await imges.post("/u/ab%20c.png")).status == 404
    assert (await imges.get("/u/AB%20c.png")).status == 404, "cases differ"


async def test_an_old_page_leads_to_the_viewer(imges: Server):
    image = await imges.uploaded(drawn.png())
    await keep(imges, image, OldAddress("/view/ab.png", Shows.PAGE), OldAddress("/image/title.of.old", Shows.PAGE))
    for path in ("/view/ab.png", "/image/title.of.old"):
        answer = await imges.get(path)
        assert (answer.status, answer.headers["Location"]) == (301, f"/image/{image['id_encoded']}")


async def test_an_old_address_of_a_deleted_picture_stays_gone_and_goes_to_nobody_else(imges: Server):
    image, other = await imges.uploaded(drawn.png()), await imges.uploaded(drawn.png(9))
    await keep(imges, image, OldAddress("/u/gone.png"), OldAddress("/view/gone.png", Shows.PAGE))
    assert (await imges.get("/u/gone.png")).status == 200
    await imges.post(image["delete_url"])
    assert (await imges.get("/u/gone.png")).status == 410
    await keep(imges, other, OldAddress("/u/gone.png"))
    assert [(await imges.get(path)).status for path in ("/u/gone.png", "/view/gone.png")] == [410, 410]


@pytest.mark.parametrize("path", ["/%00", "/%ff.png", "/%ed%a0%80", "/" + "x" * 2000, "/u/\u00fc" * 200])
async def test_paths_that_no_catalog_can_hold_are_not_found(imges: Server, path: str):
    image = await imges.uploaded(drawn.png())
    await keep(imges, image, OldAddress(f"/{image['id_encoded']}"))
    assert (await imges.get(path)).status in {400, 404}


async def test_an_id_that_a_picture_had_before_leads_to_it(imges: Server):
    image = await imges.uploaded(drawn.png(600, 30))
    pictures, before = imges.app[PICTURES], image["id_encoded"]
    row = await pictures.finding.by_id(before)
    now = f"new{row.number}"
    await pictures.catalog.mending.give_id(row, now, keep=True)
    for path in (f"/image/{before}", f"/image/a.title.{before}"):
        answer = await imges.get(path)
        assert (answer.status, answer.headers["Location"]) == (301, f"/image/{now}"), path
    assert (await imges.get(f"/image/{before}.png")).body == drawn.png(600, 30)
    assert (await imges.get(f"/image/{now}")).status == 200
    assert (await imges.post(image["delete_url"])).status == 200
    assert [(await imges.get(f"/image/{each}")).status for each in (before, now)] == [410, 410]


async def test_misses_are_remembered_and_a_catalog_without_any_is_not_asked(
    start: Start, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    async with start() as imges:
        part = imges.app[PICTURES].catalog.old_addresses
        find, has_any = part.find, part.has_any

        async def found(path: str, now: object) -> object:
            asked.append(path)
            return await find(path, now)  # pyright: ignore[reportArgumentType]

        async def any_there() -> bool:
            asked.append("any?")
            return await has_any()

        monkeypatch.setattr(part, "find", found)
        monkeypatch.setattr(part, "has_any", any_there)
        for _ in range(3):
            assert (await imges.get("/u/a.png")).status == 404
        assert asked == ["any?"]
        await keep(imges, await imges.uploaded(drawn.png()), OldAddress("/u/b.png"))
        asked.clear()
        for _ in range(3):
            assert (await imges.get("/u/a.png")).status == 404
        assert asked == ["any?", "/u/a.png"]
