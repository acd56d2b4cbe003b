"""Reading the body of a response: counted while it is unpacked, so that no more than the cap is ever held."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from llm_twin.errors import Permanent, Reason, Transient

if TYPE_CHECKING:
    import httpx2

ERROR_BYTES = 64_000  # of an error's body are kept, enough to see who refuses
DRAINED_BYTES = 1_000_000  # of it are read, so that the connection can be used again
# Codings that nobody asked for and nobody here unpacks. Others that are none, such as "utf-8", come with plain bodies.
FOREIGN_CODINGS = {"compress", "x-compress", "dcb", "dcz", "bzip2", "xz", "lzma", "exi"}


async def body_of(response: httpx2.Response, largest: int, cut_at: int = 0) -> bytes:
    """The unpacked body of a page, at most `largest` bytes. Those of errors and redirects are cut, others at `cut_at`.

    Raises `Permanent(TOO_LARGE)`, `Permanent(BAD_DATA)` for a foreign coding, `Transient(UNREACHABLE)` for a body
    that breaks off within its packing. What the connection raises comes through.
    """
    whole = 200 <= response.status_code < 300 and not cut_at
    cap = largest if whole else cut_at or ERROR_BYTES
    too_large = Permanent(Reason.TOO_LARGE, f"the page is larger than {cap:,} bytes; see TWIN_MAX_PAGE_BYTES")
    announced = response.headers.get("content-length", "")
    if whole and announced.isascii() and announced.isdigit() and int(announced[:20]) > cap:
        raise too_large
    codings = {coding.strip().lower() for coding in response.headers.get("content-encoding", "").split(",")}
    if whole and (foreign := codings & FOREIGN_CODINGS):
        raise Permanent(Reason.BAD_DATA, f"the page is packed as {foreign.pop()}, which was not asked for")
    body, size = bytearray(), 0
    async with aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            size += len(part)
            body += part[: max(0, cap - len(body))]
            if whole and size > cap:
                raise too_large
            if size > max(cap, DRAINED_BYTES):
                break
    if whole and size and not _unpacked_to_the_end(response):
        raise Transient(Reason.UNREACHABLE, f"the page breaks off: what it is packed in has no end ({size:,} bytes)")
    return bytes(body)


def _unpacked_to_the_end(response: httpx2.Response) -> bool:
    """Whether gzip and brotli came to their end; httpx2 takes half a stream for a whole one and has no call to ask."""
    decoder: Any = getattr(response, "_decoder", None)
    for one in getattr(decoder, "children", [decoder]):
        engine: Any = getattr(one, "decompressor", None)
        engine = getattr(engine, "decompressor", engine)
        ended = engine.is_finished() if hasattr(engine, "is_finished") else getattr(engine, "eof", True)
        if not ended:
            return False
    return True
