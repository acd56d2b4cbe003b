"""Connections, TLS, HTTP/2, headers and bodies that go wrong."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Iterator
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived

from faults.server import HANG, Ask, answer
from faults.table import FAULTS, GOOD, Fault, bomb, chunked, fault, says, zstd

FAULTS.append(Fault("closed-port", "does not listen", "failed(unreachable)", lambda _: iter(()), closed=True))


@fault("accepts the connection and says nothing", "failed(timeout)")
async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(HANG)


@fault("hangs up instead of answering", "failed(unreachable)")
async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


@fault("resets the connection once it was asked", "failed(unreachable)")
async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@fault("speaks SSH", "failed(unreachable)")
async def speaks_ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()
    await reader.readuntil(b"\r\n\r\n")


for _name, _does in {
    "strange": "shows a certificate that nobody vouches for",
    "expired": "shows a certificate that has expired",
    "other": "shows the certificate of another host",
}.items():
    says(f"{_name}-certificate", _does, "failed(unreachable)", answer(GOOD), tls=_name)


@fault("speaks plain HTTP where TLS is expected", "failed(unreachable)", tls="none")
async def plain_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(answer("Bad request", "400 Bad Request"))
    await writer.drain()


@fault("never answers the TLS handshake", "failed(timeout)", tls="none")
async def no_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(HANG)


async def _h2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, act: Any) -> None:
    wire = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False))
    wire.initiate_connection()
    while data := await reader.read(65_536):
        for event in wire.receive_data(data):
            if isinstance(event, RequestReceived):
                if (b":path", b"/robots.txt") in (event.headers or []):
                    wire.send_headers(event.stream_id, [(":status", "404")], end_stream=True)
                else:
                    act(wire, event.stream_id)
        writer.write(wire.data_to_send())
        await writer.drain()


HTML2 = [(":status", "200"), ("content-type", "text/html")]


@fault("resets the HTTP/2 stream in the middle of the page", "failed(unreachable)", tls="good", h2=True)
async def h2_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    def act(wire: H2Connection, stream: int) -> None:
        wire.send_headers(stream, HTML2)
        wire.send_data(stream, b"<p>The first half")
        wire.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)

    await _h2(reader, writer, act)


@fault("ends the HTTP/2 connection (GOAWAY) instead of answering", "failed(unreachable)", tls="good", h2=True)
async def h2_goaway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _h2(reader, writer, lambda wire, stream: wire.close_connection(ErrorCodes.ENHANCE_YOUR_CALM))


@fault("stops sending within an HTTP/2 stream", "failed(timeout)", tls="good", h2=True)
async def h2_stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    def act(wire: H2Connection, stream: int) -> None:
        wire.send_headers(stream, HTML2)
        wire.send_data(stream, b"<p>The first half")

    await _h2(reader, writer, act)


@fault("sends frames that are no HTTP/2", "failed(unreachable)", tls="good", h2=True)
async def h2_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"\x00\x00\x04\x01\x00\x00\x00\x00\x00nope" * 10)
    await writer.drain()
    await asyncio.sleep(HANG)


@fault("sends its headers one byte a time", "failed(timeout)")
def slow_headers(ask: Ask) -> Iterator[bytes | float]:
    for byte in answer(GOOD):
        yield bytes([byte])
        yield 0.05


@fault("sends headers without an end", "failed(unreachable)")
def endless_headers(ask: Ask) -> Iterator[bytes | float]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"x-more: and more\r\n" * 100


@fault("sends interim answers (103) without an end", "failed(timeout)")
def endless_hints(ask: Ask) -> Iterator[bytes | float]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
        yield 0.01


says("early-hints", "sends an interim answer (103) first", "new", b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(GOOD))
says("no-status", "answers without a status line", "failed(unreachable)", b"<html>hello</html>\r\n\r\n")
says(
    "bad-length",
    "announces a length that is no number",
    "failed(unreachable)",
    b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n" + GOOD.encode(),
)


@fault("sends its page one word a time", "failed(timeout)")
def slow_body(ask: Ask) -> Iterator[bytes | float]:
    yield answer(length=50_000)
    while True:
        yield b"word "
        yield 0.05


says("cut-body", "hangs up in the middle of the page", "failed(unreachable)", answer(GOOD[:400], length=len(GOOD)))
says(
    "cut-chunks",
    "hangs up between two chunks",
    "failed(unreachable)",
    answer(headers={"transfer-encoding": "chunked"}) + chunked(b"<p>The first half"),
)
says(
    "bad-chunks",
    "sends chunks without their lengths",
    "failed(unreachable)",
    answer(GOOD, headers={"transfer-encoding": "chunked"}),
)
says("too-short-length", "announces less than it sends", "new", answer(GOOD + "junk", length=len(GOOD.encode())))
says("huge-length", "announces a page of 9 GB", "failed(too_large)", answer("<p>start", length=9_000_000_000))


@fault("sends a page without an end", "failed(too_large)")
def endless_body(ask: Ask) -> Iterator[bytes | float]:
    yield answer(headers={"transfer-encoding": "chunked"})
    while True:
        yield chunked(b"<p>More and more of the same. " * 1000)


@fault("sends an error page without an end", "failed(not_found)")
def endless_error(ask: Ask) -> Iterator[bytes | float]:
    yield answer(status="404 Not Found", headers={"transfer-encoding": "chunked"})
    while True:
        yield chunked(b"<p>Not here. " * 1000)


for _name, _encoding in {
    "gzip-bomb": "gzip",
    "brotli-bomb": "br",
    "zstd-bomb": "zstd",
    "bomb-in-a-bomb": "gzip, gzip",
}.items():
    says(
        _name,
        f"sends a page of a few KB that unpacks to 30 MB ({_encoding})",
        "failed(too_large)",
        answer(bomb(_encoding), headers={"content-encoding": _encoding}),
    )
says(
    "not-packed",
    "says gzip and sends plain text",
    "failed(bad_data)",
    answer(GOOD, headers={"content-encoding": "gzip"}),
)
says(
    "packed-often",
    "packs its page ten times over",
    "failed(bad_data)",
    answer(GOOD, headers={"content-encoding": ", ".join(["gzip"] * 10)}),
)
says(
    "unknown-packing",
    "packs its page in a way that nobody asked for",
    "failed(bad_data)",
    answer(b"\x1f\x9d\x90" + bytes(range(256)) * 4, headers={"content-encoding": "compress"}),
)
says(
    "cut-gzip",
    "sends half of a packed page, and says that it is all",
    "failed(unreachable)",
    answer(gzip.compress(GOOD.encode())[:300], headers={"content-encoding": "gzip"}),
)
says(
    "cut-zstd",
    "sends half of a page packed with zstd, and says that it is all",
    "failed(unreachable)",
    answer(zstd.compress(GOOD.encode())[:300], headers={"content-encoding": "zstd"}),
)
