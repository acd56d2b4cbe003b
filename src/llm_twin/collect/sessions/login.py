"""`twin login`: how a session comes about, is saved, checked and shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from llm_twin.collect.sessions.cookies import Cookie
from llm_twin.collect.sessions.sites import SITES, Site
from llm_twin.collect.sessions.store import Session
from llm_twin.documents import now
from llm_twin.errors import ConfigError, LinkError, Permanent, Reason, Transient, UsageError

if TYPE_CHECKING:
    from llm_twin.collect.sessions.signing_in import Code
    from llm_twin.collect.web import Web

Answer = Literal["taken", "refused", "blocked", ""]
UNTAKEN = "takes these cookies no longer; nothing of them is saved, and what was saved before is kept; export them anew"


async def sign_in(site: Site, web: Web) -> Session:
    """Open a window, wait until the user has signed in, save the session. Raises `UsageError`, `ConfigError`."""
    from llm_twin.collect.sessions.signing_in import by_window

    return _saved(site, web, *await by_window(site, web.settings, web.resolver), "window")


def has_form(site: Site) -> None:
    """Raises `UsageError` for a site that nobody can sign in to by name and password."""
    if not site.passwords:
        raise UsageError(f"{site.name} has no passwords: sign in in a window, {site.renew}, or bring --import-cookies")


async def fill_in(site: Site, web: Web, username: str, password: str, code: Code | None = None) -> Session:
    """Sign in with name and password, without a window, and save the session. Raises as `by_form` does."""
    from llm_twin.collect.sessions.signing_in import by_form

    return _saved(site, web, *await by_form(site, web.settings, web.resolver, username, password, code), "form")


class Checked(NamedTuple):
    """A session, and why the site could not be asked about it; "": it was, or there was no need to."""

    session: Session
    unknown: str = ""


class Taken(NamedTuple):
    """Sessions that came by cookies, and sites that took theirs no longer: of those nothing is saved."""

    sessions: list[Checked]
    refused: tuple[str, ...]


async def take_over(cookies: Iterable[Cookie], site: Site | None, web: Web, source: str) -> Taken:
    """Save the sessions that a browser's cookies hold: that of `site`, or those of all sites that are known.

    Those that a site does not take replace none that is saved. Raises `UsageError` where there are no others.
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
    answers: list[tuple[Session, Answer, str]] = []
    for each in found:
        session = Session(site=each.name, cookies=each.own(cookies), came_by="import")
        answers.append((session, *await _asked(session, web)))
    refused = tuple(session.site for session, answer, _ in answers if answer == "refused")
    if len(refused) == len(answers):
        raise UsageError(f"{source}: {' and '.join(refused)} {UNTAKEN}")
    taken = [Checked(web.save(_noted(session, answer)), why) for session, answer, why in answers if answer != "refused"]
    return Taken(taken, refused)


async def checked(session: Session, web: Web) -> Checked:
    """The session after the site was asked whether it takes it, and saved so. A blocked one is not asked about."""
    if session.problem == "blocked":
        return Checked(session)
    answer, why = await _asked(session, web)
    return Checked(web.save(_noted(session, answer)) if answer else session, why)


def _noted(session: Session, answer: Answer) -> Session:
    """The session with what its site answered; as it was where it answered nothing."""
    moment = now()
    if answer == "taken":
        return session.model_copy(update={"checked_at": moment, "problem": "", "problem_at": None})
    if answer:
        problem = "blocked" if answer == "blocked" else "expired"
        return session.model_copy(update={"problem": problem, "problem_at": moment})
    return session


async def _asked(session: Session, web: Web) -> tuple[Answer, str]:
    """Whether the site takes the session; "": that can't be found out, and why."""
    site = session.at
    if not site.signed_in(session.cookies):
        return "refused", ""
    if not site.check:
        return "", ""
    try:
        if site.browser_only:
            return await _shows_in_browser(session, web), ""
        with web.signed.trying(session):
            await web.get(site.check, robots=False)
    except Permanent as error:
        if error.reason in (Reason.LOGIN_EXPIRED, Reason.LOGIN_REQUIRED):
            return "refused", ""
        return ("blocked" if site.browser_only and error.reason is Reason.BLOCKED else ""), error.detail
    except LinkError as error:
        return "", error.detail
    except ConfigError as error:
        return "", str(error)
    return "taken", ""


async def _shows_in_browser(session: Session, web: Web) -> Answer:
    """As `shows` does. Raises `LinkError`, `ConfigError`."""
    from llm_twin.collect.sessions.chromium import needed, opened
    from llm_twin.collect.sessions.signing_in import shows

    needed(web.settings)
    from playwright.async_api import Error

    site = session.at
    try:
        async with opened(web.settings, web.resolver, session.cookies, allowed=site.serves) as context:
            tab = await context.new_page()
            tab.set_default_timeout(1000 * web.settings.timeout)
            return "taken" if await shows(tab, site) else "refused"
    except Error as error:
        raise Transient(Reason.UNREACHABLE, str(error).partition("\n")[0][:200]) from None


def _saved(
    site: Site, web: Web, cookies: tuple[Cookie, ...], good: bool | None, by: Literal["window", "form", "import"]
) -> Session:
    if good is False:
        raise UsageError(
            f"{site.name} shows no page for members after signing in; nothing is saved; once more: {site.renew}"
        )
    return web.save(Session(site=site.name, cookies=cookies, came_by=by, checked_at=now() if good else None))
