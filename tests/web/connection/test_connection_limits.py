"""How many connections there may be, and which one makes room if there are too many."""

import asyncio
import socket
import time
from contextlib import suppress

import pytest

from tests import drawn
from tests.web.conftest import Server, Start


async def connected(server: Server, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    return [await server.connect() for _ in range(count)]


async def shut(connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for _, writer in connections:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def closed(connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> list[bool]:
    """Whether the server has closed them, or does in a moment."""

    async def is_closed(reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(2):
                return await reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    return await asyncio.gather(*(is_closed(reader) for reader, _ in connections))


async def test_one_address_has_its_share(start: Start):
    async with start(LIMITS__CONNECTIONS_PER_ADDRESS="3", SERVER__TRUSTED_PROXIES="[]") as server:
        some = await connected(server, 5)
        assert await closed(some) == [False] * 3 + [True] * 2
        await shut(some)
        await asyncio.sleep(0.1)
        assert (await server.upload(drawn.png())).status == 200


async def test_trusted_proxies_have_no_share(start: Start):
    async with start(LIMITS__CONNECTIONS_PER_ADDRESS="3") as server:
        some = await connected(server, 5)
        assert not any(await closed(some))
        await shut(some)


async def test_the_connection_that_waited_longest_makes_room(start: Start):
    async with start(LIMITS__CONNECTIONS="4") as server:
        some = await connected(server, 4)
        assert (await server.upload(drawn.png())).status == 200
        assert await closed(some) == [True, False, False, False]
        await shut(some)


async def test_slow_connections_do_not_delay_others(start: Start):
    """300 that send a byte of their headers, and 300 that send some of a body."""
    async with start() as server:
        some = await connected(server, 600)
        for number, (_, writer) in enumerate(some):
            head = b"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
            form = b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            writer.write(head + form if number % 2 else head[:20])
        loop = asyncio.get_running_loop()
        for _ in range(5):
            began = loop.time()
            assert (await server.upload(drawn.png())).status == 200
            assert loop.time() - began < 5
        await shut(some)


async def test_headers_of_a_further_request_are_waited_for_as_long(start: Start, monkeypatch):
    monkeypatch.setattr("imges.web.connection.client_connection.HEADERS_WITHIN", 0.5)
    async with start() as server:
        ((reader, writer),) = await connected(server, 1)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"ok\n")
        await asyncio.sleep(0.7)
        writer.write(b"GET /healthz HT")
        assert await closed([(reader, writer)]) == [True]
        await shut([(reader, writer)])


async def test_a_client_that_leaves_an_answer_unread_is_cut_off(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.web.connection.client_connection.SENDS_WITHIN", 500)
    content = drawn.encoded(drawn.noise(1600, 1600), "PNG")  # more than the buffers of the system hold
    async with start() as server:
        url = (await server.uploaded(content))["url"]

        def late_reader() -> int:
            """Bytes that are there after a while."""
            host, port = server.base.removeprefix("http://").split(":")
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.settimeout(20)
                client.connect((host, int(port)))
                client.sendall(f"GET /{url.split('/', 3)[3]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                time.sleep(4)
                with suppress(ConnectionError):
                    return sum(map(len, iter(lambda: client.recv(2**16), b"")))
            return 0

        assert await asyncio.to_thread(late_reader) < len(content)
