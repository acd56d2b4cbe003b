"""Polite and safe HTTP: robots.txt, a pause per host, retries, size and time limits, no private addresses.

Every failure is a `LinkError` with its reason. Nothing is remembered from one `get` to the next but robots.txt rules
and when each host was asked last; cookies live as long as one chain of redirects, but for those of saved sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from llm_twin.collect.addresses import Resolver
from llm_twin.collect.bodies import body_of
from llm_twin.collect.browser import Browser
from llm_twin.collect.pace import MAX_WAIT, OVERLOAD, Closed, Pace
from llm_twin.collect.pages import REDIRECTS, Page, Shell, Unchanged, validators
from llm_twin.collect.reading import walls
from llm_twin.collect.robots import MAX_BYTES as ROBOTS_BYTES
from llm_twin.collect.robots import Robots
from llm_twin.collect.sessions.signed import Signed
from llm_twin.collect.sessions.store import Session
from llm_twin.documents import Seen, now
from llm_twin.errors import Permanent, Reason, Transient
from llm_twin.links import ascii_host, host_of, parse_link, without_credentials
from llm_twin.settings import Settings

if TYPE_CHECKING:
    import httpx2
    from tenacity import RetryCallState

    from llm_twin.collect.transport import Wire
    from llm_twin.collect.workers import Workers
    from llm_twin.warehouse.queue import Rules

__all__ = ["Page", "Web"]

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
MAX_REDIRECTS = 10

P = ParamSpec("P")
A = TypeVar("A")
T = TypeVar("T")


class Web:
    """The outside world, as crawlers see it. Use as an async context manager.

    `backoff` is the wait in seconds before the first further try; it doubles with each.
    """

    def __init__(self, settings: Settings, *, backoff: float = 1.0) -> None:
        self.settings = settings
        self._backoff = backoff
        self._resolver = Resolver(settings)
        self._robots = Robots(settings.user_agent, self._robots_txt)
        self._pace = Pace(settings.delay, settings.retries, backoff)
        self._wire: Wire | None = None
        self._workers: Workers | None = None
        self._browser = Browser(settings, self._asked_for)
        self.signed = Signed(settings.home)
        self._before: Seen | None = None
        self._seen: list[Seen] | None = None  # by views alone

    def against(self, seen: Seen | None) -> Web:
        """A view of this opened `Web`, sharing all it has, for one link: `get` raises `Unchanged` for a page as `seen`.

        The page is asked for on condition (ETag, Last-Modified); sent all the same, its body decides.
        """
        view = copy(self)
        view._before, view._seen = seen, []
        return view

    @property
    def seen(self) -> Seen | None:
        """What to remember of the one page this view has fetched; None when it was none, or several."""
        return self._seen[0] if self._seen and len(self._seen) == 1 else None

    @property
    def before(self) -> Seen | None:
        """What this view compares with."""
        return self._before

    def found(self, url: str, state: str) -> None:
        """Take `state`, such as a commit, for what is to be remembered of `url`, instead of what was fetched until now.

        Raises `Unchanged` when it is what was seen before.
        """
        seen = Seen(url=url, body_digest=state)
        if state and seen == self._before:
            raise Unchanged(seen)
        if self._seen is not None:
            self._seen[:] = [seen]

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, robots: bool = True) -> Page:
        """Fetch a page, tried again up to `settings.retries` times while that may help.

        `headers` are sent to the link's own origin only, never to where it redirects. `robots=False` is for
        addresses that are made for programs (an API). Raises `Transient` or `Permanent` with the reason.
        """
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        url = _ascii(url)
        tries = AsyncRetrying(
            stop=stop_after_attempt(1 + self.settings.retries),
            retry=retry_if_exception(_worth_a_retry),
            wait=self._wait,
            reraise=True,
        )
        page: Page = await tries(self._page, url, headers or {}, robots and self.settings.robots)
        if self._seen is not None:
            self._seen.append(page.seen(url))
        return page

    async def address(self, host: str, port: int) -> tuple[str, int]:
        """The checked (address, port) to connect to for a host, for programs that do their own HTTP, such as git.

        Raises `Permanent(PRIVATE_ADDRESS)` when it is not public, `Transient(UNREACHABLE)` when there is none.
        """
        return (await self._resolver.addresses(ascii_host(host), port))[0]

    def remember(self, recall: Callable[[str], Awaitable[Rules | None]], learn: Callable[[Rules], None]) -> None:
        """Use the robots.txt that earlier runs have read at an origin, and hand on what is read now."""
        self._robots.recall, self._robots.learn = recall, learn

    def expect(self, links: int) -> None:
        """So many links lie ahead; see `Workers.expect`."""
        if self._workers:
            self._workers.expect(links)

    async def compute(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Run `function`, which computes and fetches nothing, in a worker process; see `Workers.run`."""
        if not self._workers:
            raise RuntimeError("Web is used outside of `async with`")
        return await self._workers.run(function, *args, **options)

    async def read(self, parse: Callable[[Page, A], T], page: Page, link: A) -> T:
        """`compute` for a page that a session may have opened. Raises `Permanent(LOGIN_EXPIRED)` if it is over."""
        try:
            return await self.compute(parse, page, link)
        except Permanent as error:
            raise self.signed.refused(error, page) from None

    @property
    def resolver(self) -> Resolver:
        """What says which addresses may be connected to."""
        return self._resolver

    def save(self, session: Session) -> Session:
        """Save a session, which is used from now on."""
        return self.signed.save(session)

    @property
    def no_browser(self) -> str:
        """Why no page can be drawn here, with what to do about it; "": one can."""
        return self._browser.missing()

    async def drawn(self, page: Page) -> Page:
        """The page as a browser draws it. Raises `Transient(TIMEOUT)`, `Permanent(EMPTY)` where there is no browser.

        What was fetched is no longer remembered: it says nothing about what its scripts will draw.
        """
        if self.no_browser:
            raise Permanent(Reason.EMPTY, f"no browser to draw the page; {self.no_browser}")
        if self._seen is not None:
            self._seen.clear()
        return await self._browser.drawn(page)

    async def _asked_for(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, most: int
    ) -> Page:
        """What the script of a page that is being drawn asks for, without waiting for turns: a browser does not."""
        import httpx2

        from llm_twin.collect.transport import network_errors, request

        if not self._wire:
            raise RuntimeError("Web is used outside of `async with`")
        limit, sent = self.settings.timeout, {**headers, "user-agent": self.settings.user_agent}
        for _ in range(MAX_REDIRECTS + 1):
            url = _ascii(url)
            with network_errors(host_of(url)):
                sending = request(method, httpx2.URL(url), sent, limit, body)
                transport, _way = await self._wire.way(sending.url)
                response = await transport.handle_async_request(sending)
                try:
                    page = Page(url, response.status_code, dict(response.headers), now(), await body_of(response, most))
                finally:
                    await response.aclose()
            target = page.headers.get("location") if page.status in REDIRECTS else None
            if not target:
                return page
            url, before = _onward(url, target), url
            if urlsplit(url)[:2] != urlsplit(before)[:2]:
                sent.pop("authorization", None)
            if page.status in (301, 302, 303):
                method, body = "GET", None
        raise Permanent(Reason.REDIRECT_LOOP, f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    async def _page(self, url: str, headers: Mapping[str, str], robots: bool) -> Page:
        before = self._before if self._before and self._before.url == url else None
        try:
            return self._let_through(await self._follow(url, headers, robots=robots, before=before), url, before)
        except Permanent as error:
            raise self.signed.refused(error, None, url) from None

    def _let_through(self, page: Page, url: str, before: Seen | None) -> Page:
        if before and page.status == 304:
            raise Unchanged(before)
        if before and page.status == 200 and page.seen(url).body_digest == before.body_digest:
            raise Unchanged(page.seen(url), page)
        # A challenge or login says more than its status does; a page that is gone is gone.
        found = None if page.status in (404, 410, 451) else walls.wall(page)
        if found and found[1] == walls.SHELL:
            raise Shell(page, *found)
        error = Permanent(*found) if found else page.refusal
        if isinstance(error, Permanent) and error.reason is Reason.BLOCKED and (found or page.status == 999):
            raise self.signed.challenged(error, page.url)
        if error:
            raise error
        return page

    async def _robots_txt(self, url: str) -> Page:
        page = await self._follow(url, {}, robots=False, cut_at=ROBOTS_BYTES)
        if page.status >= 500 and page.status not in OVERLOAD:  # while it lasts, every link of the site asks again
            self._pace.failed(host_of(url), Transient(Reason.ROBOTS, f"{url} answers HTTP {page.status}"))
        return page

    async def _follow(
        self, url: str, headers: Mapping[str, str], *, robots: bool, cut_at: int = 0, before: Seen | None = None
    ) -> Page:
        """The page at the end of the redirects, whatever its status."""
        import httpx2

        start, jar = urlsplit(url), self.signed.jar()
        cookies = httpx2.Cookies(jar)
        for hop in range(MAX_REDIRECTS + 1):
            if not cut_at:
                self.signed.halt(url)
            if robots and not (hop and self.signed.identity(url)):
                await self._obey(url, redirected=hop > 0)
            own = urlsplit(url)[:2] in {start[:2], ("https", start.netloc)}
            sent = dict(headers) if own else {}
            if before and url == (before.page_url or before.url):  # another page's validators would mean nothing
                sent |= validators(before)
            if not cut_at:
                self.signed.add(jar, url)
            page = await self._fetch(url, sent, cookies, cut_at)
            target = page.forward
            if not target:
                return page
            onward = _onward(url, target)
            if page.status == 200 and onward == url:  # it only reloads itself
                return page
            url = onward
        raise Permanent(Reason.REDIRECT_LOOP, f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    def pause(self, host: str) -> float:
        """Seconds between the starts of two requests to a host, as it answers now."""
        return self._pace.pause(host)

    async def _obey(self, url: str, *, redirected: bool) -> None:
        if _among(host_of(url), self.settings.own_sites):
            return
        try:
            pause = await self._robots.check(url)
        except Permanent as error:
            if error.reason is Reason.ROBOTS and redirected and walls.login_path(url):
                raise Permanent(Reason.LOGIN_REQUIRED, f"the site asks to sign in: {url}") from None
            raise
        self._pace.at_least(host_of(url), pause)

    async def _fetch(self, url: str, headers: Mapping[str, str], cookies: httpx2.Cookies, cut_at: int) -> Page:
        """One request and its answer. Bodies of errors and redirects are cut, so are others if `cut_at` says so."""
        import httpx2

        from llm_twin.collect.transport import network_errors, request

        if not self._wire:
            raise RuntimeError("Web is used outside of `async with`")
        host = host_of(url)
        limit = self.settings.timeout
        async with self._pace.turn(host):
            if not cut_at:  # which robots.txt has
                self.signed.halt(url)
            try:
                async with asyncio.timeout(limit):
                    with network_errors(host):
                        target = httpx2.URL(url)
                        transport, way = await self._wire.way(target)
                    with network_errors(host + way):
                        sent = {"user-agent": self.settings.user_agent, "accept": ACCEPT}
                        sent |= {name.lower(): value for name, value in headers.items()}
                        sending = request("GET", target, sent, limit)
                        if cookies:
                            cookies.set_cookie_header(sending)
                        response = await transport.handle_async_request(sending)
                        try:
                            body = await body_of(response, self.settings.max_page_bytes, cut_at)
                        finally:
                            await response.aclose()
            except TimeoutError:
                raise Transient(Reason.TIMEOUT, f"{host} gave no complete answer within {limit:g} s") from None
        if "set-cookie" in response.headers:
            cookies.extract_cookies(response)
        page = Page(url, response.status_code, dict(response.headers), now(), self.signed.masked(url, body))
        self._pace.answered(host, page)
        return page

    def _wait(self, state: RetryCallState) -> float:
        from tenacity import wait_exponential_jitter

        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Transient) and error.retry_after is not None:
            return error.retry_after
        return wait_exponential_jitter(multiplier=self._backoff, jitter=self._backoff, max=MAX_WAIT)(state)

    async def __aenter__(self) -> Self:
        from llm_twin.collect.crawlers import parser_modules
        from llm_twin.collect.transport import Wire
        from llm_twin.collect.workers import Workers, cores

        self._wire = Wire(self._resolver)
        self._workers = Workers(min(self.settings.workers or cores(), self.settings.concurrency), parser_modules)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers:
            self._workers.close()
            self._workers = None
        await self._browser.aclose()
        if self._wire:
            await self._wire.aclose()
            self._resolver.close()
            self._wire = None


def _worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, Transient) and not isinstance(error, Closed) and (error.retry_after or 0) <= MAX_WAIT


def _among(host: str, sites: Iterable[str]) -> bool:
    """Whether a host is one of `sites`, but for `www.`, or below one that begins with a dot."""
    return any(host.endswith(site) if site.startswith(".") else host.removeprefix("www.") == site for site in sites)


def _onward(url: str, target: str) -> str:
    try:
        return _ascii(urljoin(url, target.strip().replace(" ", "%20")))
    except Permanent as error:
        detail = error.detail
    except ValueError as error:
        detail = f"not a link: {error}"
    raise Permanent(Reason.BAD_LINK, f"{url} redirects to {without_credentials(target)[:200]}: {detail}")


def _ascii(link: str) -> str:
    """The checked link with its host as DNS knows it and without a fragment."""
    parts = urlsplit(parse_link(link))
    host = ascii_host(parts.hostname or "")
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme.lower(), f"{host}:{parts.port}" if parts.port else host, *parts[2:4], ""))
