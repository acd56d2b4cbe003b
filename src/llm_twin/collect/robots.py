"""robots.txt, fetched once per origin and day, or as often as its Cache-Control says, and obeyed as RFC 9309 has it.

4xx: everything is allowed. 5xx: everything is forbidden for now, so the link may be tried again later.
429 is read as "later" too, not as "no rules": the site does limit robots. A host out of reach stays `unreachable`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_twin.errors import Permanent, Reason, Transient
from llm_twin.warehouse.queue import Rules

if TYPE_CHECKING:
    from protego import Protego

    from llm_twin.collect.web import Page

MAX_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 KiB are read
MAX_CRAWL_DELAY = 30.0  # seconds; some ask for minutes or a day, which would hold a run up for weeks
MAX_AGE = 24 * 3600.0  # seconds that rules are used for, section 2.4
MIN_AGE = 300.0  # seconds, whatever the site says: else each of its links would ask again
AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})", re.I)
NOT_KEPT = re.compile(r"\bno-(?:store|cache)\b", re.I)
LARGEST_KEPT = 64_000  # characters that are remembered for later runs; few sites have more
KEPT_BYTES = 8_000_000  # of memory for all rules: those of 1,500 usual origins; the warehouse has the others
MEMORY_PER_CHARACTER = 30  # measured 10 to 36, the most for short rules with wildcards
SMALL = 20_000  # characters that are parsed in no time
PRODUCT = re.compile(r"([A-Za-z_-]+)")


@dataclass(frozen=True)
class _Parsed:
    protego: Protego
    until: float  # seconds since 1970
    size: int  # bytes, roughly


class Robots:
    """The rules of every origin met. `fetch` gets a robots.txt, whatever its status, or raises link errors."""

    def __init__(self, user_agent: str, fetch: Callable[[str], Awaitable[Page]]) -> None:
        self._user_agent = product(user_agent)
        self._fetch = fetch
        self.recall: Callable[[str], Awaitable[Rules | None]] | None = None  # what an earlier run read at an origin
        self.learn: Callable[[Rules], None] | None = None  # takes what a later run can use
        self._rules: OrderedDict[str, _Parsed] = OrderedDict()
        self._kept = 0  # bytes of all rules
        self._reading: dict[str, asyncio.Task[_Parsed]] = {}

    async def check(self, url: str) -> float:
        """The crawl delay in seconds that the origin asks for (0 without one), at most 30.

        Raises `Permanent(ROBOTS)` when the rules forbid `url`, `Transient` when they cannot be read now.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        rules = self._rules.get(origin)
        if rules and time.time() < rules.until:
            self._rules.move_to_end(origin)
        else:
            rules = await self._shared(origin)
        if not rules.protego.can_fetch(url, self._user_agent):
            raise Permanent(Reason.ROBOTS, f"{origin}/robots.txt forbids {parts.path or '/'}")
        return min(rules.protego.crawl_delay(self._user_agent) or 0.0, MAX_CRAWL_DELAY)

    async def _shared(self, origin: str) -> _Parsed:
        """The rules as one attempt to read them gives them to all who wait; so it does its failure."""
        reading = self._reading.get(origin)
        if not reading:
            reading = self._reading[origin] = asyncio.create_task(self._read(origin))
            reading.add_done_callback(lambda done: self._read_to_end(origin, done))
        # Shielded: one who gives up waiting does not take the others' attempt away.
        return await asyncio.shield(reading)

    def _read_to_end(self, origin: str, done: asyncio.Task[_Parsed]) -> None:
        self._reading.pop(origin, None)
        if not done.cancelled():
            done.exception()  # seen, should nobody wait for it any more

    def _keep(self, origin: str, rules: _Parsed) -> None:
        former = self._rules.pop(origin, None)
        self._rules[origin] = rules
        self._kept += rules.size - (former.size if former else 0)
        while self._kept > KEPT_BYTES and len(self._rules) > 1:
            self._kept -= self._rules.popitem(last=False)[1].size

    async def _read(self, origin: str) -> _Parsed:
        if self.recall and (known := await self.recall(origin)) and known.until.timestamp() > time.time():
            return await self._parsed(known)
        address = f"{origin}/robots.txt"
        text, seconds, kept = "", MAX_AGE, False
        try:
            page = await self._fetch(address)
        except Permanent as error:
            if error.reason in (Reason.PRIVATE_ADDRESS, Reason.UNREACHABLE):
                raise
            # A redirect loop or a spoilt body: unavailable, so nothing is forbidden.
        except Transient as error:
            if error.reason is not Reason.TIMEOUT:
                raise
            raise type(error)(error.reason, f"{error.detail}, asked for its robots.txt", error.retry_after) from None
        else:
            if page.status == 429:
                raise Transient(Reason.RATE_LIMITED, f"{address} answered HTTP 429", page.retry_after)
            if page.status >= 500:
                raise Transient(
                    Reason.ROBOTS,
                    f"{address} answered HTTP {page.status}, which forbids the site for now; try later",
                    page.retry_after,
                )
            text = page.body.decode("utf-8-sig", "replace") if page.status < 300 else ""
            seconds, kept = freshness(page)
        rules = Rules(origin=origin, text=text, until=datetime.fromtimestamp(time.time() + seconds, UTC))
        if self.learn and kept and len(text) <= LARGEST_KEPT:
            self.learn(rules)
        return await self._parsed(rules)

    async def _parsed(self, rules: Rules) -> _Parsed:
        text = rules.text  # the largest take half a second
        protego = await asyncio.to_thread(_parse, text) if len(text) > SMALL else _parse(text)
        parsed = _Parsed(protego, rules.until.timestamp(), 2_000 + MEMORY_PER_CHARACTER * len(text))
        self._keep(rules.origin, parsed)
        return parsed


def freshness(page: Page) -> tuple[float, bool]:
    """For how many seconds a robots.txt is used, and whether in later runs too (RFC 9309, section 2.4)."""
    control = page.headers.get("cache-control", "")
    match, age = AGE.search(control), page.headers.get("age", "").strip()
    seconds = float(match[1]) - (int(age[:9]) if age.isascii() and age.isdigit() else 0) if match else MAX_AGE
    kept = not NOT_KEPT.search(control)
    return min(MAX_AGE, max(MIN_AGE, seconds if kept else 0.0)), kept


def product(user_agent: str) -> str:
    """The name that rules are looked up by (RFC 9309, section 2.2.1): `AdaBot` of `AdaBot/1.0 (+https://…)`.

    What begins like a browser's names itself further on; of that the whole is looked through.
    """
    match = PRODUCT.match(user_agent)
    return match[1] if match and match[1].lower() != "mozilla" else user_agent


def _parse(text: str) -> Protego:
    from protego import Protego

    return Protego.parse(text)
