"""How fast each host is asked: few requests at once, a pause between them, slower while it struggles.

The pause doubles with every sign of overload (429, a gateway error, no answer in time) and shrinks back with every
answer that came through; a host that fails again and again is left alone for a while, so that its links do not hold
up those of the others.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from llm_twin.collect.pages import Page
from llm_twin.errors import Reason, Transient

REQUESTS_PER_HOST = 2  # at the same time
MAX_WAIT = 60.0  # seconds; who asks to wait longer is left alone for this run
MAX_PAUSE = 30.0  # seconds between two requests to a host that struggles
RECOVERY = 0.75  # of its added pause are left after each answer: back from 30 s to 1 s within 12
OVERLOAD = {429, 502, 503, 504}
GIVE_UP = 10  # failures in a row
REST = 300.0  # seconds that a host is left alone then
MAX_HOSTS = 2_000  # remembered, some 2 KB each; of hundreds of thousands, those that were not asked for longest go


@dataclass
class Host:
    """When the next request to a host may start, by `time.monotonic()`."""

    pause: float  # now, between the starts of two requests
    least: float  # the pause when nothing is wrong
    free_at: float = 0.0
    slowed_at: float = 0.0
    refused: int = 0  # answers in a row that asked to wait
    failures: int = 0  # in a row
    closed_until: float = 0.0  # nothing is asked before
    closed: str = ""  # why
    reason: Reason = Reason.RATE_LIMITED
    using: int = 0  # requests that wait for their turn or have it
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(REQUESTS_PER_HOST))
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)


class Closed(Transient):
    """The host is not to be asked yet; asking again at once is of no use."""


class Pace:
    """The pace of every host. `delay`: seconds between two requests; `step`: the least that a pause grows by."""

    def __init__(self, delay: float, retries: int, step: float) -> None:
        self._delay = delay
        self._retries = retries
        self._step = step
        self._hosts: OrderedDict[str, Host] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    def pause(self, name: str) -> float:
        """Seconds between two requests to a host, as things stand."""
        return self._host(name).pause

    def at_least(self, name: str, pause: float) -> None:
        """Ask a host no faster than with this pause in seconds, its crawl delay."""
        host = self._host(name)
        host.least = max(host.least, pause)
        host.pause = max(host.pause, pause)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait until a request to the host may start; hold one of its slots until it has ended.

        Raises `Closed` while the host is left alone. A `Transient` that leaves the block slows the host down.
        """
        host = self._host(name)
        host.using += 1
        try:
            async with host.slots:
                async with host.queue:
                    while True:  # an answer may move the moment on while this one sleeps
                        closed = host.closed_until - time.monotonic()
                        if closed > 0:
                            raise Closed(host.reason, f"{host.closed} {closed:.0f} s more", closed)
                        wait = host.free_at - time.monotonic()
                        if wait <= 0:
                            break
                        await asyncio.sleep(wait)
                    started = time.monotonic()
                    host.free_at = started + host.pause
                try:
                    yield
                except Transient as error:
                    self._slow(name, host, error, started)
                    raise
        finally:
            host.using -= 1

    def answered(self, name: str, page: Page) -> None:
        """Take an answer into account: overload slows the host down, everything below 500 lets it recover."""
        host = self._host(name)
        if page.retry_after is not None:
            self._obey(name, host, page.retry_after)
        if page.status in OVERLOAD:
            self._slow(name, host, page.refusal, time.monotonic())
        elif page.status < 500 and page.retry_after is None:
            host.refused = host.failures = 0
            gap = (host.pause - host.least) * RECOVERY
            host.pause = host.least + (gap if gap > self._step / 10 else 0)

    def failed(self, name: str, error: Transient) -> None:
        """Count a failure that no single request shows, such as rules that cannot be read."""
        self._slow(name, self._host(name), error, time.monotonic())

    def _obey(self, name: str, host: Host, seconds: float) -> None:
        """Let all requests to a host wait as long as it asks; leave it alone when that is long or goes on and on."""
        host.refused += 1
        until = time.monotonic() + seconds
        if seconds > MAX_WAIT or host.refused > self._retries:
            self._close(host, until, f"{name} asks to wait", Reason.RATE_LIMITED)
        else:
            host.free_at = max(host.free_at, until)

    def _slow(self, name: str, host: Host, error: Exception | None, started: float) -> None:
        host.failures += 1
        if host.failures >= GIVE_UP and isinstance(error, Transient):
            words = f"{name} has failed {host.failures} times in a row, the last with: {error.detail}; left alone for"
            self._close(host, time.monotonic() + REST, words, error.reason)
        if started < host.slowed_at:  # it set out before the pause grew: the same trouble
            return
        now = host.slowed_at = time.monotonic()
        host.pause = max(host.least, min(MAX_PAUSE, max(2 * host.pause, self._step)))
        host.free_at = max(host.free_at, now + host.pause)

    def _close(self, host: Host, until: float, words: str, reason: Reason) -> None:
        if until > host.closed_until:
            host.closed_until, host.closed, host.reason = until, words, reason

    def _host(self, name: str) -> Host:
        host = self._hosts.get(name)
        if not host:
            host = self._hosts[name] = Host(self._delay, self._delay)
            if len(self._hosts) > MAX_HOSTS:
                self._forget()
        self._hosts.move_to_end(name)
        return host

    def _forget(self) -> None:
        """Drop hosts that nobody waits for and that may be asked at once: a new entry would say the same."""
        moment = time.monotonic()
        for name in list(self._hosts)[: MAX_HOSTS // 10]:
            host = self._hosts[name]
            if not host.using and max(host.free_at, host.closed_until) <= moment:
                del self._hosts[name]
