"""The description of the API: well-formed, of this site, and true (see also `described`, which sees every answer)."""

from openapi_spec_validator import validate

from tests import drawn
from tests.web.conftest import Server, Start


async def test_it_is_openapi_and_of_this_site(start: Start):
    async with start(API__PREFIXES="[api, my-own]", SERVER__PUBLIC_URL="https://i.example.org") as server:
        answer = await server.get("/openapi.json")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        validate(answer.json)
        assert answer.json["servers"] == [{"url": "https://i.example.org"}]
        assert {"/api/1/upload", "/my-own/1/upload"} < set(answer.json["paths"])
        assert "/sharexapi/1/upload" not in answer.json["paths"]


async def test_every_field_of_an_answer_is_described_and_no_other(imges: Server):
    described = (await imges.get("/openapi.json")).json["components"]["schemas"]
    image = await imges.uploaded(drawn.png(), album="Described")
    assert set(image) == set(described["ImageFields"]["properties"])
    required = described["ImageFields"]["required"] + described["Image"]["required"]
    assert set(required) == set(image) - {"delete_url", "album", "removed"}
    assert set(image["thumb"]) == set(described["File"]["properties"])
