"""`twin login`: how a session comes about, is saved, checked and shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from llm_twin.collect.sessions.cookies import Cookie
from llm_twin.collect.sessions.sites import SITES, Site
from llm_twin.collect.sessions.store import Session
from llm_twin.documents import now
from llm_twin.errors import LinkError, Permanent, Reason, UsageError

if TYPE_CHECKING:
    from llm_twin.collect.sessions.signing_in import Code
    from llm_twin.collect.web import Web


async def sign_in(site: Site, web: Web) -> Session:
    """Open a window, wait until the user has signed in, save the session. Raises `UsageError`, `ConfigError`."""
    from llm_twin.collect.sessions.signing_in import by_window

    return _saved(site, web, *await by_window(site, web.settings, web.resolver), "window")


async def fill_in(site: Site, web: Web, username: str, password: str, code: Code | None = None) -> Session:
    """Sign in with name and password, without a window, and save the session. Raises as `by_form` does."""
    from llm_twin.collect.sessions.signing_in import by_form

    return _saved(site, web, *await by_form(site, web.settings, web.resolver, username, password, code), "form")


async def take_over(cookies: Iterable[Cookie], site: Site | None, web: Web, source: str) -> list[Session]:
    """Save the sessions that a browser's cookies hold: that of `site`, or those of all sites that are known.

    Raises `UsageError` where there is none.
    """
    cookies = list(cookies)
    wanted = [site] if site else list(SITES.values())
    found = [each for each in wanted if each.signed_in(cookies)]
    if not found:
        names = " or ".join(each.name for each in wanted)
        ended = any(not cookie.live and cookie.belongs_to(each.domains) for each in wanted for cookie in cookies)
        why = (
            "they have expired" if ended else f"no {'or '.join(f'{each.mark} ' for each in wanted if each.mark)}cookie"
        )
        raise UsageError(f"{source}: nobody is signed in at {names} by these cookies ({why}); export them anew")
    sessions = [_saved(each, web, each.own(cookies), None, "import") for each in found]
    return [await checked(session, web) for session in sessions]


async def checked(session: Session, web: Web) -> Session:
    """The session after the site was asked whether it takes it; saved so. Unchanged where that can't be found out."""
    good = await _takes(session, web)
    if good is None:
        return session
    moment = now()
    update = {"checked_at": moment, "problem": "", "problem_at": None}
    if not good:
        update = {"problem": "expired", "problem_at": moment}
    return web.save(session.model_copy(update=update))


async def _takes(session: Session, web: Web) -> bool | None:
    site = session.at
    if not site.signed_in(session.cookies):
        return False
    if not site.check:
        return None
    if site.browser_only:
        return await _shows_in_browser(session, web)
    try:
        await web.get(site.check, robots=False)
    except Permanent as error:
        return False if error.reason in (Reason.LOGIN_EXPIRED, Reason.LOGIN_REQUIRED) else None
    except LinkError:
        return None
    return True


async def _shows_in_browser(session: Session, web: Web) -> bool | None:
    from llm_twin.collect.sessions.chromium import missing, opened
    from llm_twin.collect.sessions.signing_in import shows

    if missing(web.settings):
        return None
    from playwright.async_api import Error

    site = session.at
    try:
        async with opened(web.settings, web.resolver, session.cookies, allowed=site.serves) as context:
            tab = await context.new_page()
            tab.set_default_timeout(1000 * web.settings.timeout)
            return await shows(tab, site)
    except Error:
        return None


def _saved(
    site: Site, web: Web, cookies: tuple[Cookie, ...], good: bool | None, by: Literal["window", "form", "import"]
) -> Session:
    if good is False:
        raise UsageError(
            f"{site.name} shows no page for members after signing in; nothing is saved; once more: {site.renew}"
        )
    return web.save(Session(site=site.name, cookies=cookies, came_by=by, checked_at=now() if good else None))
