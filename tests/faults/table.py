"""What a server may do wrong: `Fault`, and the ways to register one."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import brotli

from blog import BREAD, page
from faults.server import Behaviour, Raw

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TIMEOUT = 1.0  # seconds a request may take in these tests
CAP = 1_000_000  # bytes of a page, unpacked
GOOD = page("How to bake sourdough", *BREAD)
PUBLIC = "93.184.215.14"  # an address that is public by its spelling; only ever asked for through a proxy


@dataclass(frozen=True)
class Fault:
    """One misbehaviour. `ends` is the outcome's status, with its reason in brackets where it has one."""

    name: str  # the host is <name>.example
    does: str  # "The server …"
    ends: str
    behaviour: Behaviour | None = None
    raw: Raw | None = None
    rules: bool = False  # the behaviour answers for robots.txt as well
    tls: str = ""  # what certificate it has: "good", "strange", "expired", "other"; "" without TLS
    h2: bool = False
    path: str = "/post"
    expand: int = 0
    proxied: bool = False  # asked for through a proxy, so that private addresses can be refused
    closed: bool = False  # nothing listens
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 2.0  # that the outcome may take
    requests: int = 0  # the most that may be sent for it; 0: not looked at

    @property
    def host(self) -> str:
        """The host that plays it."""
        return PUBLIC if self.proxied else f"{self.name}.example"

    @property
    def link(self) -> str:
        """What is collected."""
        return f"{'https' if self.tls else 'http'}://{self.host}{self.path}"


FAULTS: list[Fault] = []


def fault(does: str, ends: str, **options: Any) -> Any:
    """Register the decorated behaviour; its name is the fault's."""

    def register(behaviour: Any) -> Any:
        kind = "raw" if asyncio.iscoroutinefunction(behaviour) else "behaviour"
        FAULTS.append(Fault(behaviour.__name__.replace("_", "-"), does, ends, **{kind: behaviour, **options}))
        return behaviour

    return register


def says(name: str, does: str, ends: str, *parts: bytes | float, **options: Any) -> None:
    """Register a server that always sends the same."""
    FAULTS.append(Fault(name, does, ends, lambda _: iter(parts), **options))


def chunked(*parts: bytes) -> bytes:
    """Parts of a body with their lengths before them, without an end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def bomb(encoding: str, megabytes: int = 30) -> bytes:
    """So much of nothing, packed."""
    piece = bytes(1_000_000)
    if encoding == "br":
        packer = brotli.Compressor(quality=1)
        return b"".join(packer.process(piece) for _ in range(megabytes)) + packer.finish()
    if encoding == "zstd":
        return zstd.compress(piece * megabytes, 1)
    stream = zlib.compressobj(1, wbits=31)
    packed = b"".join(stream.compress(piece) for _ in range(megabytes)) + stream.flush()
    return gzip.compress(packed) if encoding == "gzip, gzip" else packed
