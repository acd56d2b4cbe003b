"""Reading a long page as a person does: down to its end, slowly, and away at the first wall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from llm_twin.collect.sessions.chromium import cookies_of, missing, opened
from llm_twin.collect.sessions.signing_in import CHECKPOINT, captcha
from llm_twin.collect.sessions.sites import Site
from llm_twin.collect.walls import login_path
from llm_twin.errors import ConfigError, Permanent, Reason, Transient

if TYPE_CHECKING:
    from playwright.async_api import Page as Tab

    from llm_twin.collect.web import Web

SLOWER = 4  # times the usual delay between two steps: 2 s unless set otherwise
ENDS = 3  # steps in a row that bring nothing new: the end of the list
STEP_SECONDS = 5.0  # in which a step brings something new, if it does
MORE = "button.scaffold-finite-scroll__load-button"
SCROLL = "window.scrollTo(0, document.documentElement.scrollHeight)"
GROWN = "before => document.documentElement.scrollHeight > before"


@asynccontextmanager
async def walk(site: Site, web: Web, url: str) -> AsyncIterator[Tab]:
    """A tab at `url`, signed in where there is a session, for the time of the block. One at a time for each site.

    Raises `Permanent` for walls: `LOGIN_EXPIRED`, `BLOCKED`; the session is then used no more until it is renewed.
    `Transient(TIMEOUT)`, `Transient(UNREACHABLE)`; `Permanent(LOGIN_REQUIRED)` where no browser can be opened.
    """
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as TooSlow

    limit = web.settings.timeout
    async with web.signed.turn(site):
        session = web.signed.session(site.domains[0])
        if session and session.problem:
            raise over(site, session.problem)
        try:
            async with opened(
                web.settings, web.resolver, session.cookies if session else (), allowed=site.serves
            ) as context:
                tab = await context.new_page()
                tab.set_default_timeout(1000 * limit)
                await step(site, web, tab, url)
                yield tab
                if session and site.signed_in(renewed := await cookies_of(context)):
                    web.save(session.model_copy(update={"cookies": site.own(renewed)}))
        except ConfigError as error:
            raise Permanent(Reason.LOGIN_REQUIRED, f"a browser has to be signed in for this: {error}") from None
        except TooSlow:
            raise Transient(Reason.TIMEOUT, f"{site.name} showed nothing within {limit:g} s") from None
        except Error as error:
            line = str(error).partition("\n")[0][:200]
            raise Transient(Reason.UNREACHABLE, f"{site.name} in the browser: {line}") from None


async def step(site: Site, web: Web, tab: Tab, url: str) -> None:
    """Go to a page, at the pace that a site is walked at. Raises `Permanent` at a wall, and for a page that is gone."""
    if tab.url != "about:blank":
        await asyncio.sleep(SLOWER * web.settings.delay)
    answer = await tab.goto(url, wait_until="domcontentloaded")
    status = answer.status if answer else 200
    await _past_walls(site, web, tab, status)
    if status in (404, 410):
        raise Permanent(Reason.NOT_FOUND if status == 404 else Reason.GONE, f"no such page: HTTP {status} from {url}")


async def down(
    site: Site, web: Web, tab: Tab, gather: Callable[[], Awaitable[int]], enough: Callable[[], bool]
) -> None:
    """Scroll until there is `enough`, or nothing new: `gather` is called at each stop and says how much was new.

    Raises `Permanent` at the first wall.
    """
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as TooSlow

    idle = 0
    while idle < ENDS:
        try:
            await _past_walls(site, web, tab)
            found = await gather()
            if enough():
                return
            before = await tab.evaluate("document.documentElement.scrollHeight")
            await asyncio.sleep(SLOWER * web.settings.delay)
            await tab.evaluate(SCROLL)
            if await (button := tab.locator(MORE).locator("visible=true")).count():
                await button.first.click()
            idle = 0 if found or await _grows(tab, before) else idle + 1
        except TooSlow:
            raise
        except Error:  # the page goes elsewhere; where to is seen next
            idle += 1
            with suppress(Error):
                await tab.wait_for_load_state("domcontentloaded")


async def _grows(tab: Tab, before: int) -> bool:
    """Whether the page gets longer than it was, in the time that this may take."""
    from playwright.async_api import TimeoutError as TooSlow

    with suppress(TooSlow):
        await tab.wait_for_function(GROWN, arg=before, timeout=1000 * STEP_SECONDS / ENDS)
        return True
    return False


async def _past_walls(site: Site, web: Web, tab: Tab, status: int = 200) -> None:
    wall, puzzle = "", await captcha(tab)
    if puzzle or status == 999 or CHECKPOINT.match(tab.url):
        wall = "blocked"
    elif login_path(tab.url):
        wall = "expired"
    if wall:
        web.signed.stop(site, Reason.BLOCKED if wall == "blocked" else Reason.LOGIN_EXPIRED)
        raise over(site, wall if web.signed.session(site.domains[0]) or wall == "blocked" else "")


def over(site: Site, problem: str) -> Permanent:
    """What is to be said of a session with this problem; "": there is none."""
    if problem == "blocked":
        told = f"{site.name} wants to see a person; nothing more is asked of it: look at it in your browser, then"
        return Permanent(Reason.BLOCKED, f"{told} {site.renew}")
    if problem == "expired":
        told = f"{site.name} takes the saved session no longer; sign in again: {site.renew}"
        return Permanent(Reason.LOGIN_EXPIRED, told)
    return Permanent(Reason.LOGIN_REQUIRED, f"{site.name} shows this to who is signed in alone: {site.renew}")


def no_browser(web: Web) -> str:
    """Why no page can be walked here; "": one can."""
    return "TWIN_RENDER is never" if web.settings.render == "never" else missing(web.settings)
