"""Reading a long page as a person does: down to its end, slowly, and away at the first wall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_twin.collect.reading.walls import CHALLENGE_HEADERS, login_path
from llm_twin.collect.sessions.chromium import cookies_of, missing, opened
from llm_twin.collect.sessions.signing_in import CHECKPOINT, captcha
from llm_twin.collect.sessions.sites import Site, over
from llm_twin.errors import ConfigError, Permanent, Reason, Transient
from llm_twin.links import host_of

if TYPE_CHECKING:
    from playwright.async_api import Page as Tab
    from playwright.async_api import Request, Response

    from llm_twin.collect.web import Web

SLOWER = 4  # times the usual delay between two steps: 2 s unless set otherwise
ENDS = 3  # steps in a row that bring nothing new: the end of the list
QUIET_SECONDS = 0.5  # without growth and with nothing asked for: a step brings nothing new
LOOK_SECONDS = 0.05
ERROR_SECONDS = 5.0  # to show that there is no page
DATA = ("xhr", "fetch")
MORE = "button.scaffold-finite-scroll__load-button"
SCROLL = "window.scrollTo(0, document.documentElement.scrollHeight)"
NO_BROWSER = "a browser has to be signed in for this: "
GROWN = "before => document.documentElement.scrollHeight > before"


@dataclass(frozen=True)
class Walk:
    """A tab on a site, and what its pages ask for."""

    site: Site
    web: Web
    tab: Tab
    traffic: Traffic


@asynccontextmanager
async def walk(site: Site, web: Web, url: str) -> AsyncIterator[Walk]:
    """A tab at `url`, signed in where there is a session, for the time of the block. One at a time for each site.

    Raises `Permanent` for walls: `LOGIN_EXPIRED`, `BLOCKED`; the session is then used no more until it is renewed.
    `Transient(TIMEOUT)`, `Transient(UNREACHABLE)`; `Permanent(LOGIN_REQUIRED)` where no browser can be opened.
    """
    if why := missing(web.settings):
        raise Permanent(Reason.LOGIN_REQUIRED, NO_BROWSER + why)
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as TooSlow

    limit = web.settings.timeout
    async with web.signed.turn(site):
        web.signed.halt(url)
        session = web.signed.session(site.domains[0])
        if session and session.problem:
            raise over(site, session.problem)
        try:
            async with opened(
                web.settings, web.resolver, session.cookies if session else (), allowed=site.serves
            ) as context:
                tab = await context.new_page()
                tab.set_default_timeout(1000 * limit)
                begun = Walk(site, web, tab, Traffic(site, tab, limit))
                await step(begun, url)
                yield begun
                renewed, session = await cookies_of(context), web.signed.session(site.domains[0])
                if session and not session.problem and site.signed_in(renewed):
                    web.save(session.model_copy(update={"cookies": site.own(renewed)}))
        except ConfigError as error:
            raise Permanent(Reason.LOGIN_REQUIRED, f"{NO_BROWSER}{error}") from None
        except TooSlow:
            raise Transient(Reason.TIMEOUT, f"{site.name} showed nothing within {limit:g} s") from None
        except Error as error:
            line = str(error).partition("\n")[0][:200]
            raise Transient(Reason.UNREACHABLE, f"{site.name} in the browser: {line}") from None


async def step(walk: Walk, url: str) -> None:
    """Go to a page, at the pace that a site is walked at. Raises `Permanent` at a wall, and for a page that is gone,
    `Transient(SERVER_ERROR)`, `Transient(RATE_LIMITED)`.
    """
    if walk.tab.url != "about:blank":
        await asyncio.sleep(SLOWER * walk.web.settings.delay)
    walk.traffic.status = 0
    status = await _gone_to(walk.tab, url)
    await _past_walls(walk, status)
    if status in (404, 410):
        raise Permanent(Reason.NOT_FOUND if status == 404 else Reason.GONE, f"no such page: HTTP {status} from {url}")
    if status >= 500:
        raise Transient(Reason.SERVER_ERROR, f"HTTP {status} from {url}")


async def _gone_to(tab: Tab, url: str) -> int:
    """The status of a page, which is the tab's now. Errors without a page of their own are none to the browser."""
    from playwright.async_api import Error

    statuses = [200]

    def note(answer: Response) -> None:
        if answer.request.is_navigation_request() and not answer.request.frame.parent_frame:
            statuses.append(answer.status)

    tab.on("response", note)
    try:
        await tab.goto(url, wait_until="domcontentloaded")
    except Error:
        if statuses[-1] < 400:
            raise
        with suppress(Error):  # what the browser shows instead
            await tab.wait_for_url(lambda at: at.startswith("chrome-error:"), timeout=1000 * ERROR_SECONDS)
    finally:
        tab.remove_listener("response", note)
    return statuses[-1]


async def down(walk: Walk, gather: Callable[[], Awaitable[int]], enough: Callable[[], bool]) -> None:
    """Scroll until there is `enough`, or nothing new: `gather` is called at each stop and says how much was new.

    Raises `Permanent` at the first wall.
    """
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as TooSlow

    idle, tab, traffic = 0, walk.tab, walk.traffic
    while idle < ENDS:
        try:
            await _past_walls(walk, traffic.status)
            found = await gather()
            if enough():
                return
            before = await tab.evaluate("document.documentElement.scrollHeight")
            await asyncio.sleep(SLOWER * walk.web.settings.delay)
            await tab.evaluate(SCROLL)
            if await (button := tab.locator(MORE).locator("visible=true")).count():
                await button.first.click()
            idle = 0 if found or await _grows(tab, before, traffic) else idle + 1
        except TooSlow:
            raise
        except Error:  # the page goes elsewhere; where to is seen next
            idle += 1
            with suppress(Error):
                await tab.wait_for_load_state("domcontentloaded")
    with suppress(Error):  # the last answer may be one
        await _past_walls(walk, traffic.status)
    if traffic.status >= 500:
        raise Transient(Reason.SERVER_ERROR, f"the list breaks off: HTTP {traffic.status} from {walk.site.name}")


class Traffic:
    """What a tab's scripts ask their site for."""

    def __init__(self, site: Site, tab: Tab, limit: float) -> None:
        self.status = 0  # of the last answer, where it is an error
        self.limit = limit  # seconds; what is open for longer is a channel for news
        self._site = site
        self._open: dict[Request, float] = {}
        tab.on("request", self._asked)
        tab.on("response", self._answered)
        tab.on("requestfinished", self._ended)
        tab.on("requestfailed", self._ended)

    @property
    def waits(self) -> bool:
        """Whether something that was asked for has not come."""
        return any(time.monotonic() - at < self.limit for at in self._open.values())

    def _asked(self, request: Request) -> None:
        if request.resource_type in DATA and self._site.serves(host_of(request.url)):
            self._open[request] = time.monotonic()

    def _ended(self, request: Request) -> None:
        self._open.pop(request, None)

    def _answered(self, response: Response) -> None:
        if response.request in self._open:
            challenged = any(name in response.headers for name in CHALLENGE_HEADERS)
            self.status = 999 if challenged else response.status if response.status >= 400 else 0


async def _grows(tab: Tab, before: int, traffic: Traffic) -> bool:
    """Whether the page gets longer than it was, once what it asked for has come."""
    end, quiet = time.monotonic() + traffic.limit, time.monotonic() + QUIET_SECONDS
    while time.monotonic() < min(end, quiet):
        if await tab.evaluate(GROWN, before):
            return True
        if traffic.waits:
            quiet = time.monotonic() + QUIET_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
    return False


async def _past_walls(walk: Walk, status: int) -> None:
    site, web, tab = walk.site, walk.web, walk.tab
    if status == 429:
        raise Transient(Reason.RATE_LIMITED, f"{site.name} wants to be asked less often (HTTP 429); try again later")
    wall, puzzle = "", await captcha(tab)
    if puzzle or status == 999 or CHECKPOINT.match(tab.url):
        wall = "blocked"
    elif login_path(tab.url):
        wall = "expired"
    if wall:
        web.signed.stop(site, Reason.BLOCKED if wall == "blocked" else Reason.LOGIN_EXPIRED)
        raise over(site, wall if web.signed.session(site.domains[0]) or wall == "blocked" else "")


def no_browser(web: Web) -> str:
    """Why no page can be walked here; "": one can."""
    return "TWIN_RENDER is never" if web.settings.render == "never" else missing(web.settings)
