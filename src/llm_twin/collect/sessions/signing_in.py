"""Signing in: by the user in a window, or unattended by a form with name and password.

Whatever asks for more than that (a puzzle, a check for robots) ends it at once. Nothing is tried twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from llm_twin.collect.addresses import Resolver
from llm_twin.collect.pages import Page
from llm_twin.collect.reading.walls import login_path, wall
from llm_twin.collect.sessions.chromium import cookies_of, needed, opened
from llm_twin.collect.sessions.cookies import Cookie
from llm_twin.collect.sessions.sites import Site
from llm_twin.documents import now
from llm_twin.errors import Permanent, Reason, Transient, UsageError
from llm_twin.settings import Settings

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ElementHandle, Response
    from playwright.async_api import Page as Tab

WINDOW_SECONDS = 900.0  # for a person to sign in; second factors come by mail
LOOK_SECONDS = 0.25  # between two looks at how far it has come
TRIES = 4  # to leave a page that is on its way to another
CAPTCHA = ", ".join(
    [
        *(f"iframe[src*='{host}']" for host in ("captcha", "arkoselabs", "funcaptcha", "challenges.cloudflare.com")),
        *(f"{tag}[id*='captcha' i]" for tag in ("div", "form", "section", "img")),
    ]
)
CODE = "input[autocomplete='one-time-code'], input[name='pin'], input[name*='otp' i], input[name*='verification' i]"
FIELD = "input[type=password]"
# Fields for a name, the surest first; what else takes words may be a search.
NAMES = (
    "[autocomplete~=username]",
    "[type=email]",
    ":is([name*=user i], [id*=user i], [name*=email i], [name*=login i], [id*=login i], [name=log])",
    "form[method=post i] *",
)
# Of the form of the password, where there is one: the last field before it.
NAME = """([kinds, field]) => {
  const shown = each => each.checkVisibility({checkVisibilityCSS: true}) && !each.disabled && !each.readOnly;
  const password = [...document.querySelectorAll(field)].find(shown);
  const fields = [...(password && password.form ? password.form.elements : document.querySelectorAll('input'))]
    .filter(each => ['text', 'email', 'tel'].includes(each.type) && shown(each))
    .filter(each => !password || each.compareDocumentPosition(password) & Node.DOCUMENT_POSITION_FOLLOWING);
  const found = kinds.map(kind => fields.filter(each => each.matches(kind))).find(each => each.length) || [];
  return found.at(password ? -1 : 0) || null;
}"""
TO_LOGIN = re.compile(r"log ?in|sign ?in", re.I)
ERROR = "[role=alert], [aria-invalid=true], .error, .alert"
CHECKPOINT = re.compile(r"^https://[^/]+/checkpoint/")

Code = Callable[[], Awaitable[str]]
Standing = Literal["in", "captcha", "code", "refused", "failed", "waiting"]


async def by_window(site: Site, settings: Settings, resolver: Resolver) -> tuple[tuple[Cookie, ...], bool | None]:
    """The site's cookies once the user has signed in, and whether they were checked; see `checked`.

    Raises `ConfigError` where no window can be opened, `UsageError` when it is closed before, or time is over.
    """
    needed(settings)
    from playwright.async_api import Error

    found: tuple[Cookie, ...] = ()
    async with opened(settings, resolver, allowed=lambda _: True, window=True) as context:
        closed = asyncio.Event()
        tab = await context.new_page()
        tab.on("close", lambda _: closed.set())
        context.on("close", lambda _: closed.set())
        with suppress(Error):  # shown in the window
            await tab.goto(site.login, wait_until="domcontentloaded")
        with suppress(TimeoutError, Error):  # the window is gone, maybe the browser with it
            async with asyncio.timeout(WINDOW_SECONDS):
                while not closed.is_set():
                    found = site.own(await cookies_of(context))
                    if site.mark and site.signed_in(found):
                        return await _settled(context, tab, site)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(closed.wait(), LOOK_SECONDS)
    if closed.is_set() and not site.mark and found:
        return found, None
    why = "the window was closed before" if closed.is_set() else f"{WINDOW_SECONDS / 60:.0f} minutes went by and"
    raise UsageError(f"{why} you were {'' if closed.is_set() else 'not '}signed in at {site.name}; nothing is saved")


async def by_form(
    site: Site, settings: Settings, resolver: Resolver, username: str, password: str, code: Code | None
) -> tuple[tuple[Cookie, ...], bool | None]:
    """The site's cookies after its form was filled in, without a window, and whether they were checked.

    `code` asks for a second factor; without it, a site that wants one is an error. Raises `Permanent(BLOCKED)` for a
    puzzle, `Permanent(LOGIN_REQUIRED)` where the site does not take what it was given, `Transient(TIMEOUT)`,
    `ConfigError`.
    """
    needed(settings)
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as TooSlow

    try:
        async with opened(settings, resolver, allowed=lambda _: True) as context:
            tab = await context.new_page()
            tab.set_default_timeout(1000 * settings.timeout)
            await tab.goto(site.login, wait_until="domcontentloaded")
            form = Form(context, tab, site)
            await _fill(form, username, password)
            standing = await _outcome(form, settings.timeout)
            if standing == "code":
                if code is None:
                    told = f"{site.name} asks for a second factor: sign in in a window, {site.renew}"
                    raise Permanent(Reason.LOGIN_REQUIRED, told)
                await tab.locator(CODE).first.fill((await code()).strip())
                await form.submit(CODE)
                standing = await _outcome(form, settings.timeout)
                if standing == "code":
                    raise Permanent(Reason.LOGIN_REQUIRED, f"{site.name} did not take the code; nothing is saved")
            _refuse(standing, site, form.status)
            return await _settled(context, tab, site)
    except TooSlow:  # what Playwright says may hold what was filled in
        raise Transient(Reason.TIMEOUT, f"signing in at {site.name} took over {settings.timeout:g} s") from None
    except Error as error:
        line = str(error).partition("\n")[0]
        said = line if "net::" in line else "the page went away"
        raise Transient(Reason.UNREACHABLE, f"signing in at {site.name}: {said[:200]}") from None


class Form:
    """A form that is filled in: the site's cookies before it was sent, and the status of the page that answered."""

    def __init__(self, context: BrowserContext, tab: Tab, site: Site) -> None:
        self.tab, self.site, self.status = tab, site, 0
        self._context = context
        self._before: frozenset[tuple[str, ...]] = frozenset()
        tab.on("response", self._answered)

    def _answered(self, answer: Response) -> None:
        if answer.request.is_navigation_request() and not answer.request.frame.parent_frame:
            self.status = answer.status

    async def submit(self, field: str) -> None:
        """Send the form of a field; its page is marked, to be told from the next one."""
        self._before, self.status = await self._values(), 0
        await self.tab.evaluate("document.documentElement.dataset.sent = '1'")
        await self.tab.locator(field).locator("visible=true").first.press("Enter")

    async def signed_in(self) -> bool:
        """Whether the cookies are those of somebody who is signed in; where that is not known, whether one is new."""
        if self.site.mark:
            return self.site.signed_in(await cookies_of(self._context))
        return bool(await self._values() - self._before)

    async def _values(self) -> frozenset[tuple[str, ...]]:
        """The cookies by what they say; that they live longer than before says nothing."""
        mine = self.site.own(await cookies_of(self._context))
        return frozenset((each.domain, each.path, each.name, each.value) for each in mine)


def _refuse(standing: Standing, site: Site, status: int = 0) -> None:
    if standing == "captcha":
        told = f"{site.name} wants to see that you are no robot: sign in yourself, in a window: {site.renew}"
        raise Permanent(Reason.BLOCKED, told)
    if standing == "refused":
        raise Permanent(Reason.LOGIN_REQUIRED, f"{site.name} did not take this name and password; nothing is saved")
    if standing == "failed":
        told = f"{site.name} answers the form with HTTP {status}; nothing is saved"
        raise Transient(Reason.SERVER_ERROR, told) if status >= 500 else Permanent(Reason.LOGIN_REQUIRED, told)
    if standing != "in":
        told = f"{site.name} shows neither a form to fill in nor that you are signed in; use a window: {site.renew}"
        raise Permanent(Reason.LOGIN_REQUIRED, told)


async def _fill(form: Form, username: str, password: str) -> None:
    """Fill the form in and send it. Forms that ask for the name first and then for the password are filled in twice."""
    tab, site = form.tab, form.site
    if not await _seen(tab, FIELD) and not await _name(tab):
        link = tab.get_by_role("link", name=TO_LOGIN).first
        if await link.count():
            await link.click()
            await tab.wait_for_load_state("domcontentloaded")
    if await captcha(tab):
        _refuse("captcha", site)
    asked = await _seen(tab, FIELD)
    name = await _name(tab) or await _name(tab, "*")
    if not asked and not name:
        _refuse("waiting", site)
    if name:
        await name.fill(username)
    if not asked:
        await tab.keyboard.press("Enter")
        await tab.locator(FIELD).locator("visible=true").first.wait_for()
    await tab.locator(FIELD).locator("visible=true").first.fill(password)
    await form.submit(FIELD)


async def _name(tab: Tab, *others: str) -> ElementHandle | None:
    """The field for the name: one that says so, or one of `others`."""
    return (await tab.evaluate_handle(NAME, [[*NAMES, *others], FIELD])).as_element()


async def _outcome(form: Form, limit: float) -> Standing:
    """How the site answers a form, as soon as it shows."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            while True:
                standing = await _standing(form)
                if standing != "waiting":
                    return standing
                await asyncio.sleep(LOOK_SECONDS)
    return "waiting"


async def _standing(form: Form) -> Standing:
    from playwright.async_api import Error

    tab, site = form.tab, form.site
    if site.mark and await form.signed_in():
        return "in"
    try:
        left = not await tab.evaluate("document.documentElement.dataset.sent === '1'")
        if left and not await tab.evaluate("document.readyState !== 'loading' && document.body !== null"):
            return "waiting"
        if await captcha(tab):
            return "captcha"
        if await _seen(tab, CODE) and left:
            return "code"
        if await _seen(tab, FIELD):
            return "refused" if left or await _seen(tab, ERROR) else "waiting"
        if left and CHECKPOINT.match(tab.url):
            return "captcha"
    except Error:  # it is on its way from one page to the next
        return "waiting"
    if left and form.status >= 400:
        return "failed"
    return "in" if left and not (site.mark or login_path(tab.url)) and await form.signed_in() else "waiting"


async def captcha(tab: Tab) -> bool:
    """Whether a page is there to tell people from robots."""
    page = Page(tab.url, 200, {"content-type": "text/html"}, now(), (await tab.content()).encode("utf-8", "replace"))
    found = wall(page)
    return bool(found and found[0] is Reason.BLOCKED) or await _seen(tab, CAPTCHA)


async def _seen(tab: Tab, selector: str) -> bool:
    return bool(await tab.locator(selector).locator("visible=true").count())


async def _settled(context: BrowserContext, tab: Tab, site: Site) -> tuple[tuple[Cookie, ...], bool | None]:
    """The cookies once the page is there that one is led to, and whether a page for members shows with them."""
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as TooSlow

    good = None
    with suppress(TooSlow, Transient):
        for _ in range(TRIES):
            try:
                await tab.wait_for_load_state("load", timeout=10_000)
                good = await shows(tab, site)
                break
            except TooSlow:
                raise
            except Error:  # the way there that the site began goes on
                await asyncio.sleep(LOOK_SECONDS)
    return site.own(await cookies_of(context)), good


async def shows(tab: Tab, site: Site) -> bool | None:
    """Whether the site shows a page for members; None where no such page is known.

    Raises `Permanent(BLOCKED)`, and `Transient` for an answer that says nothing about it.
    """
    if not site.check:
        return None
    answer = await tab.goto(site.check, wait_until="domcontentloaded")
    if CHECKPOINT.match(tab.url) or (answer and answer.status == 999) or await captcha(tab):
        raise Permanent(Reason.BLOCKED, f"{site.name} wants to see that you are no robot: look at it in your browser")
    if answer and answer.status >= 400:
        raise Transient(Reason.SERVER_ERROR, f"HTTP {answer.status} from {site.check}")
    return not login_path(tab.url) and not await _seen(tab, FIELD)
