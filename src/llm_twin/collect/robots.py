"""robots.txt, fetched once per origin and obeyed as RFC 9309 has it.

4xx: everything is allowed. 5xx: everything is forbidden for now, so the link may be tried again later.
429 is read as "later" too, not as "no rules": the site does limit robots. A host out of reach stays `unreachable`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_twin.errors import Permanent, Reason, Transient

if TYPE_CHECKING:
    from protego import Protego

    from llm_twin.collect.web import Page

MAX_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 KiB are read
MAX_CRAWL_DELAY = 10.0  # seconds; some ask for minutes, which would hold a run up for days


class Robots:
    """The rules of every origin met. `fetch` gets a robots.txt, whatever its status, or raises link errors."""

    def __init__(self, user_agent: str, fetch: Callable[[str], Awaitable[Page]]) -> None:
        self._user_agent = user_agent
        self._fetch = fetch
        self._rules: dict[str, Protego] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._failures: dict[str, tuple[float, Transient]] = {}

    async def check(self, url: str) -> float:
        """The crawl delay in seconds that the origin asks for (0 without one), at most 10.

        Raises `Permanent(ROBOTS)` when the rules forbid `url`, `Transient` when they cannot be read now.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        asked_at = time.monotonic()
        async with self._locks.setdefault(origin, asyncio.Lock()):
            if origin not in self._rules:
                failed_at, failure = self._failures.get(origin, (0.0, None))
                if failure and failed_at > asked_at:  # who waited for an attempt shares its failure
                    raise failure
                try:
                    self._rules[origin] = await self._read(origin)
                except Transient as error:
                    self._failures[origin] = (time.monotonic(), error)
                    raise
        rules = self._rules[origin]
        if not rules.can_fetch(url, self._user_agent):
            raise Permanent(Reason.ROBOTS, f"{origin}/robots.txt forbids {parts.path or '/'}")
        return min(rules.crawl_delay(self._user_agent) or 0.0, MAX_CRAWL_DELAY)

    async def _read(self, origin: str) -> Protego:
        from protego import Protego

        address = f"{origin}/robots.txt"
        try:
            page = await self._fetch(address)
        except Permanent as error:
            if error.reason in (Reason.PRIVATE_ADDRESS, Reason.UNREACHABLE):
                raise
            return Protego.parse("")  # a redirect loop or a spoilt body: unavailable, so nothing is forbidden
        if page.status == 429:
            raise Transient(Reason.RATE_LIMITED, f"{address} answered HTTP 429", page.retry_after)
        if page.status >= 500:
            raise Transient(
                Reason.ROBOTS,
                f"{address} answered HTTP {page.status}, which forbids the site for now; try later",
                page.retry_after,
            )
        return Protego.parse(page.body.decode("utf-8-sig", "replace") if page.status < 300 else "")
