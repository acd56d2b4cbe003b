"""The saved sessions as requests use them: read when a host of theirs is first asked, sent to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_twin.collect.sessions.cookies import jar_of
from llm_twin.collect.sessions.sites import SITES, Site, over, site_of
from llm_twin.collect.sessions.store import Session, Sessions
from llm_twin.errors import Permanent, Reason
from llm_twin.links import host_of, on_domain

if TYPE_CHECKING:
    from llm_twin.collect.pages import Page

WALLS = (Reason.LOGIN_REQUIRED, Reason.PAYWALL)
SECRET_LENGTH = 16  # characters at least; what is shorter opens nothing, and may be a number that pages count by


class Signed:
    """Where a run is signed in."""

    def __init__(self, home: Path) -> None:
        self._store = Sessions(home)
        self._names: list[str] | None = None
        self._sessions: dict[str, Session | None] = {}  # by host
        self._tried: Session | None = None
        self._halted: set[str] = set()  # sites that have asked to see a person in this run
        self._turns: dict[str, asyncio.Lock] = {}

    def session(self, host: str) -> Session | None:
        """The session of the site that a host belongs to, whatever its state."""
        if self._tried and any(on_domain(host, each) for each in self._tried.at.domains):
            return self._tried
        if self._names is None:
            self._names = self._store.names()
        if not self._names:
            return None
        if host not in self._sessions:
            self._sessions[host] = self._store.for_host(host)
        return self._sessions[host]

    @contextmanager
    def trying(self, session: Session) -> Iterator[None]:
        """Use a session for the time of the block, saved or not; what comes of it is written down nowhere."""
        self._tried = session.model_copy(update={"problem": ""})
        try:
            yield
        finally:
            self._tried = None

    def turn(self, site: Site) -> asyncio.Lock:
        """Held by who looks at a site in the browser: one at a time."""
        return self._turns.setdefault(site.name, asyncio.Lock())

    def jar(self) -> CookieJar:
        """A jar for one chain of redirects: each host gets its own cookies alone."""
        return jar_of(())

    def add(self, jar: CookieJar, url: str) -> None:
        """Put the session's cookies into the jar of a chain that has come to `url`, but for those it has renewed.

        By https alone, and not for sites that want a browser.
        """
        if not url.startswith("https:"):
            return
        session = self.session(host_of(url))
        if session and not session.problem and not session.at.browser_only:
            known = {(cookie.domain, cookie.path, cookie.name) for cookie in jar}
            for cookie in jar_of(session.cookies):
                if (cookie.domain, cookie.path, cookie.name) not in known:
                    jar.set_cookie(cookie)

    def masked(self, url: str, body: bytes) -> bytes:
        """What a site answers, without the cookies that it may show again to its scripts."""
        session = self.session(host_of(url)) if url.startswith("https:") else None
        for cookie in session.cookies if session else ():
            if len(secret := cookie.value.strip('"')) >= SECRET_LENGTH:
                body = body.replace(secret.encode(), b"***")
        return body

    def identity(self, url: str) -> bool:
        """Whether a redirect leads through where a site tells domains of others who is signed in: no page to crawl."""
        session = self.session(host_of(url)) if url.startswith("https:") else None
        return bool(session and session.at.identity and urlsplit(url).path.startswith(session.at.identity))

    def refused(self, error: Permanent, page: Page | None, url: str = "") -> Permanent:
        """What an error means where there is a session, or might be one: the command that helps is named."""
        if error.reason not in WALLS or not (url or page):
            return error
        host = host_of(page.url if page else url)
        session = self.session(host)
        site = session.at if session else site_of(host) or _site_of(page)
        session = session or (self.session(site.domains[0]) if site else None)
        if not site or "twin login" in error.detail:
            return error
        if session and self._over(session, error, page):
            if not session.problem:
                self.stop(site, Reason.LOGIN_EXPIRED)
            return over(site, "expired")
        if session:
            return Permanent(error.reason, f"{error.detail}; the account that is signed in may not read it")
        return Permanent(error.reason, f"{error.detail}; to sign in: {site.renew}")

    def _over(self, session: Session, error: Permanent, page: Page | None) -> bool:
        if session.problem or error.reason is Reason.LOGIN_REQUIRED or session.state == "expired":
            return True
        return bool(page and session.at.shows_stranger(page.text))

    def challenged(self, error: Permanent, url: str) -> Permanent:
        """What a check for robots at `url` means: a site that one can sign in to is asked for nothing more."""
        site = self._site(url)
        if not site or self._tried:
            return error
        self.stop(site, Reason.BLOCKED)
        return over(site, "blocked")

    def halt(self, url: str) -> None:
        """Raises `Permanent(BLOCKED)` where the site has asked to see a person: in this run, or since it was signed in
        to.
        """
        site = self._site(url)
        session = self.session(site.domains[0]) if site else None
        if site and (site.name in self._halted or (session and session.problem == "blocked")):
            raise over(site, "blocked")

    def stop(self, site: Site, reason: Reason) -> None:
        """Write down that a site has ended a session or wants to see a person: it is asked for nothing more with it."""
        if self._tried:
            return
        if reason is Reason.BLOCKED:
            self._halted.add(site.name)
        if session := self.session(site.domains[0]):
            self._store.mark(session.site, "blocked" if reason is Reason.BLOCKED else "expired")
            self._sessions.clear()

    def _site(self, url: str) -> Site | None:
        """The site that a link belongs to, where one can be or is signed in."""
        host = host_of(url)
        session = self.session(host)
        return session.at if session else site_of(host)

    def save(self, session: Session) -> Session:
        """Save a session and use it."""
        self._sessions.clear()
        self._names = None
        return self._store.put(session)


def _site_of(page: Page | None) -> Site | None:
    """The site that a page on a domain of its own shows itself to be from."""
    found = (site for site in SITES.values() if page and site.shown_by and site.shown_by in page.text)
    return next(found, None)
