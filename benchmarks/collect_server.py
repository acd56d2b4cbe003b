"""The server of benchmarks/collect.py: saved pages under any host name, each answer 50 ms late.

    python collect_server.py PAGES SECONDS        (prints its port, ends with its standard input)

`/ID` is the page PAGES/html/ID.html.gz, sent packed with an ETag; asked for on condition, it is
answered 304. `/robots.txt` allows everything. HTTP/1.1 with connections kept, on loopback.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from pathlib import Path

ROBOTS = b"User-agent: *\nAllow: /\n"
UNKNOWN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, pages: dict[str, bytes], seconds: float) -> None:
        self.pages = pages
        self.seconds = seconds
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            request, _, self.received = self.received.partition(b"\r\n\r\n")
            asyncio.get_running_loop().call_later(self.seconds, self.send, self.answer(request.decode("latin-1")))

    def send(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)

    def answer(self, request: str) -> bytes:
        line, *lines = request.split("\r\n")
        path = line.split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if path == "/robots.txt":
            return (
                f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(ROBOTS)}\r\n\r\n".encode()
                + ROBOTS
            )
        name = path.rpartition("/")[2]
        if name not in self.pages:
            return UNKNOWN
        if headers.get("if-none-match") == f'"{name}"':
            return f'HTTP/1.1 304 Not Modified\r\nETag: "{name}"\r\n\r\n'.encode()
        body = self.pages[name]
        packed = "gzip" in headers.get("accept-encoding", "")
        if not packed:
            body = gzip.decompress(body)
        head = [
            "HTTP/1.1 200 OK",
            "Content-Type: text/html",
            f'ETag: "{name}"',
            *(["Content-Encoding: gzip"] if packed else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


async def serve(pages: Path, seconds: float) -> None:
    held = {file.name.removesuffix(".html.gz"): file.read_bytes() for file in (pages / "html").glob("*.html.gz")}
    server = await asyncio.get_running_loop().create_server(lambda: Server(held, seconds), "127.0.0.1", 0, backlog=1000)
    asyncio.get_running_loop().add_reader(0, os._exit, 0)  # its standard input ends with who started it
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
