"""Pages that JavaScript has to draw, drawn by a headless Chromium that has no network of its own.

What a page asks for comes from `Web`, by checked addresses and under its limits. All that would go another way
(WebSockets, WebRTC, service workers, preconnects) ends at a proxy that is not there. Needs `llm-twin[browser]`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from llm_twin.documents import now
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.links import host_of
from llm_twin.settings import Settings

if TYPE_CHECKING:
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import BrowserContext, Request, Route

    from llm_twin.collect.pages import Page

Fetch = Callable[[str, str, Mapping[str, str], "bytes | None", int], Awaitable["Page"]]

HINT = "to have it drawn: pip install 'llm-twin[browser]', and apt install chromium or playwright install chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TABS = 2  # pages drawn at the same time
START_SECONDS = 30.0
QUIET_SECONDS = 8.0  # to wait for a page to come to rest; some never do
REQUESTS = 200  # a page may make
WANTED = frozenset({"document", "script", "xhr", "fetch"})  # images, fonts, media and styles draw no text
SENT = frozenset(
    {"accept", "accept-language", "authorization", "content-type", "origin", "referer", "x-requested-with"}
)
NOT_PASSED = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "set-cookie"})
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--dns-prefetch-disable",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://0.0.0.0:1",
    "--proxy-bypass-list=<-loopback>",
    "--js-flags=--max-old-space-size=256",  # megabytes
    "--renderer-process-limit=2",
)


class Browser:
    """One Chromium for a run, started for the first page that needs it. `fetch` gets what pages ask for."""

    def __init__(self, settings: Settings, fetch: Fetch) -> None:
        self._settings = settings
        self._fetch = fetch
        self._stack = AsyncExitStack()
        self._chromium: Chromium | None = None
        self._starting = asyncio.Lock()
        self._tabs = asyncio.Semaphore(TABS)

    def missing(self) -> str:
        """Why no page can be drawn here, with what to do about it; "": one can."""
        if find_spec("playwright") is None:
            return HINT
        if self._settings.browser and not Path(self._settings.browser).is_file():
            return f"TWIN_BROWSER: there is no {self._settings.browser}"
        return ""

    async def drawn(self, page: Page) -> Page:
        """The page as it looks once its scripts have run. Raises `Transient(TIMEOUT)`, `Permanent`, and
        `Transient(TOO_COMPLEX)` when the browser does not live through it."""
        async with self._tabs:
            content = await self._tried(page)
            if content is None:  # another page may have been the death of it
                content = await self._tried(page)
        if content is None:
            raise Transient(Reason.TOO_COMPLEX, "the browser that drew the page was killed; out of memory?")
        body = content.encode("utf-8", "replace")
        most = self._settings.max_page_bytes
        if len(body) > most:
            raise Permanent(Reason.TOO_LARGE, f"the drawn page is larger than {most:,} bytes; see TWIN_MAX_PAGE_BYTES")
        headers = {**page.headers, "content-type": "text/html; charset=utf-8"}
        return replace(page, headers=headers, fetched_at=now(), body=body)

    async def _tried(self, page: Page) -> str | None:
        """The drawn page's source; None when the browser ended meanwhile."""
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as TooSlow

        limit, chromium = self._settings.timeout, None
        try:
            chromium = await self._started()
            async with asyncio.timeout(limit + QUIET_SECONDS):
                return await self._content(chromium, page, limit)
        except (TooSlow, TimeoutError):
            raise Transient(Reason.TIMEOUT, f"drawing the page took over {limit:g} s") from None
        except Error as error:
            line = str(error).strip().partition("\n")[0][:200]
            if "crash" in line:  # of the tab alone
                raise Permanent(Reason.TOO_COMPLEX, f"the page breaks the browser: {line}") from None
            if chromium and not chromium.is_connected():
                return None
            raise Permanent(Reason.EMPTY, f"the browser can't draw the page: {line}") from None

    async def aclose(self) -> None:
        """End the browser, if it runs. It also ends when this process does."""
        with suppress(Exception):  # whatever it died of before
            await self._stack.aclose()
        self._chromium = None

    async def _started(self) -> Chromium:
        from playwright.async_api import Error, async_playwright

        async with self._starting:
            if self._chromium and self._chromium.is_connected():
                return self._chromium
            await self.aclose()
            self._stack = AsyncExitStack()
            playwright = await self._stack.enter_async_context(async_playwright())
            try:
                self._chromium = await playwright.chromium.launch(
                    executable_path=chromium_of(self._settings),
                    args=[*FLAGS],
                    chromium_sandbox=sandboxed(),
                    timeout=1000 * START_SECONDS,
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
            except Error as error:
                await self.aclose()
                if "Executable doesn't exist" in str(error):
                    raise Permanent(Reason.EMPTY, f"next to no text on the page, and no browser; {HINT}") from None
                raise
            self._stack.push_async_callback(self._chromium.close)
            return self._chromium

    async def _content(self, chromium: Chromium, page: Page, limit: float) -> str:
        context = await chromium.new_context(
            user_agent=self._settings.user_agent, service_workers="block", accept_downloads=False, bypass_csp=False
        )
        try:
            await self._gate(context, page)
            tab = await context.new_page()
            tab.on("dialog", lambda dialog: asyncio.ensure_future(dialog.dismiss()))
            context.on("page", lambda other: asyncio.ensure_future(other.close()) if other is not tab else None)
            await tab.goto(page.url, timeout=1000 * limit, wait_until="domcontentloaded")
            from playwright.async_api import TimeoutError as TooSlow

            with suppress(TooSlow):
                await tab.wait_for_load_state("networkidle", timeout=1000 * QUIET_SECONDS)
            return str(await tab.content())
        finally:
            with suppress(Exception):  # the browser may be gone
                await context.close()

    async def _gate(self, context: BrowserContext, page: Page) -> None:
        """Answer all requests of a context from `fetch`: the page itself once, its scripts and data, nothing else."""
        from playwright.async_api import Error

        left = {"requests": REQUESTS, "bytes": 3 * self._settings.max_page_bytes}
        opened: list[str] = []
        limit = self._settings.timeout

        async def found(request: Request) -> Page | None:
            if request.is_navigation_request():
                first = not opened and not request.frame.parent_frame
                opened.append(request.url)
                return page if first else None  # scripts lead elsewhere, frames hold other pages
            left["requests"] -= 1
            wanted = request.resource_type in WANTED and (
                request.method == "GET" or (request.method == "POST" and _site(request.url) == _site(page.url))
            )
            if not wanted or min(left.values()) <= 0 or not request.url.startswith(("https:", "http:")):
                return None
            sent = {name: value for name, value in request.headers.items() if name in SENT}
            try:
                async with asyncio.timeout(limit):
                    got = await self._fetch(request.method, request.url, sent, request.post_data_buffer, left["bytes"])
            except (LinkError, TimeoutError):
                return None
            left["bytes"] -= len(got.body)
            return got

        async def answer(route: Route, request: Request) -> None:
            got = await found(request)
            with suppress(Error):  # the tab may be closed already
                if got:
                    await route.fulfill(status=got.status, headers=_passed(got), body=got.body)
                else:
                    await route.abort()

        await context.route("**/*", answer)
        await context.route_web_socket("**/*", lambda socket: asyncio.ensure_future(socket.close()))


def _site(url: str) -> list[str]:
    """The last two labels of the host: data is sent to the page's own site, not to who counts its visitors."""
    return host_of(url).split(".")[-2:]


def _passed(page: Page) -> dict[str, str]:
    return {name: value for name, value in page.headers.items() if name not in NOT_PASSED}


def chromium_of(settings: Settings) -> str | None:
    """The Chromium that is named, or installed; None: Playwright's own, where there is one."""
    return settings.browser or next(filter(None, map(shutil.which, NAMES)), None)


def sandboxed() -> bool:
    """Chromium refuses its sandbox to root, as in most containers."""
    import os

    return os.geteuid() != 0 if hasattr(os, "geteuid") else True
