"""ImgBB's own address on this machine, with a certificate, for clients that have it compiled in."""

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "api.imgbb.com"

RESOLVING = """
import os, socket
real = socket.getaddrinfo
def mapped(host, port, *rest, **more):
    if host in ("api.imgbb.com", b"api.imgbb.com"):
        host, port = "127.0.0.1", int(os.environ["MAPPED_PORT"])
    return real(host, port, *rest, **more)
socket.getaddrinfo = mapped
"""
"""What Python runs before the client: the name leads to this machine. Nothing of the client itself is changed."""


@dataclass(frozen=True)
class Mapping:
    """Where `HOST` is on this machine."""

    folder: Path
    port: int

    def run(self, script: str, *arguments: str) -> str:
        """Runs the Python *script*, for which `HOST` is here, and returns what it prints."""
        trusted = str(self.folder / "chain.pem")
        env = os.environ | {
            "PYTHONPATH": str(self.folder),
            "MAPPED_PORT": str(self.port),
            "SSL_CERT_FILE": trusted,
            "REQUESTS_CA_BUNDLE": trusted,
        }
        for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            env.pop(proxy, None)
        ran = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


@contextmanager
def mapped(folder: Path, to: int) -> Generator[Mapping]:
    """`HOST` on a port of this machine, over TLS. What comes is passed on to the port *to*."""
    (folder / "sitecustomize.py").write_text(RESOLVING)
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
         "-addext", f"subjectAltName=DNS:{HOST}", "-out", chain, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda reader, writer: _pass_on(reader, writer, to), "127.0.0.1", 0, ssl=context)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Mapping(folder, server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", to)
    await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
        writer.close()
