"""Cookies: read from what browsers and their extensions export, and sent by the rules of RFC 6265, by https alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from http.cookiejar import Cookie as JarCookie
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from llm_twin.errors import UsageError
from llm_twin.links import on_domain

MOST_BYTES = 5_000_000  # of a file of cookies; a browser's whole collection has some 2 MB
MOST_SECONDS = 1e11  # since the epoch: in three thousand years
SAME_SITE = {"lax": "Lax", "strict": "Strict", "no_restriction": "None", "none": "None"}


class Cookie(BaseModel):
    """One cookie. `host_only`: for `domain` itself; otherwise for the hosts below as well."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[!-:<>-~]+$", max_length=4096)
    value: str = Field(repr=False, pattern=r"^[ -:<-~]*$", max_length=16_384)
    domain: str = Field(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$")
    host_only: bool = False
    path: str = Field(default="/", pattern="^/[ -:<-~]*$")
    expires: float | None = None  # seconds since the epoch; None: when the browser is closed
    http_only: bool = False
    same_site: str = ""  # Lax, Strict, None

    @field_validator("expires")
    @classmethod
    def _in_seconds(cls, value: float | None) -> float | None:
        """Some export milliseconds. What is no number, or no time at all, is not known."""
        seconds = value / 1000 if value and value > MOST_SECONDS else value
        return seconds if seconds is None or seconds < MOST_SECONDS else None

    @property
    def live(self) -> bool:
        """Whether its time is not over."""
        return self.expires is None or self.expires > time.time()

    def belongs_to(self, domains: Iterable[str]) -> bool:
        """Whether it is for one of these domains, or for hosts below."""
        return any(on_domain(self.domain, domain) for domain in domains)


def jar_of(cookies: Iterable[Cookie]) -> CookieJar:
    """A jar that gives these cookies out by https alone, and to no host but their own."""
    jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))
    for cookie in cookies:
        jar.set_cookie(
            JarCookie(
                version=0,
                name=cookie.name,
                value=cookie.value,
                port=None,
                port_specified=False,
                domain=cookie.domain if cookie.host_only else f".{cookie.domain}",
                domain_specified=not cookie.host_only,
                domain_initial_dot=not cookie.host_only,
                path=cookie.path,
                path_specified=True,
                secure=True,
                expires=None if cookie.expires is None else int(cookie.expires),
                discard=cookie.expires is None,
                comment=None,
                comment_url=None,
                rest={},
            )
        )
    return jar


def for_browser(cookies: Iterable[Cookie]) -> list[Any]:
    """Cookies as Playwright takes them."""
    return [
        {
            "name": cookie.name,
            "value": cookie.value,
            "domain": cookie.domain if cookie.host_only else f".{cookie.domain}",
            "path": cookie.path,
            "expires": -1 if cookie.expires is None else cookie.expires,
            "httpOnly": cookie.http_only,
            "secure": True,
            **({"sameSite": cookie.same_site} if cookie.same_site else {}),
        }
        for cookie in cookies
    ]


def read_cookies(text: str, name: str) -> list[Cookie]:
    """The cookies in a file called `name`: Netscape's cookies.txt, or JSON of an extension or of Playwright.

    Raises `UsageError`, which never shows a value.
    """
    if len(text) > MOST_BYTES:
        raise UsageError(f"{name}: larger than {MOST_BYTES:,} bytes, so hardly a file of cookies")
    text = text.removeprefix("\ufeff")
    # Browsers hold cookies that none of the standards allow; they are nobody's sign-in.
    given = list(_json(text, name) if text.lstrip().startswith(("[", "{")) else _netscape(text, name))
    found = [each for each in given if isinstance(each, Cookie)]
    if given and not found:
        raise next(each for each in given if isinstance(each, UsageError))
    if not found:
        raise UsageError(f"{name}: no cookies in it; give a cookies.txt, or the JSON that a browser extension exports")
    return found


def _netscape(text: str, name: str) -> Iterator[Cookie | UsageError]:
    """Domain, whether for hosts below, path, whether by https alone, end, name, value; tabs between them."""
    for number, line in enumerate(text.splitlines(), 1):
        http_only = line.startswith("#HttpOnly_")
        line = line.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) == 6:  # some leave out an empty value
            fields.append("")
        if len(fields) != 7:
            raise UsageError(f"{name}, line {number}: not a cookie; a cookies.txt has seven fields with tabs between")
        domain, below, path, _, end, key, value = fields
        yield from _cookie(
            f"{name}, line {number}",
            name=key,
            value=value,
            domain=domain,
            host_only=below.upper() == "FALSE" and not domain.startswith("."),
            path=path,
            expires=end if end.strip() not in ("", "0", "-1") else None,
            http_only=http_only,
        )


def _json(text: str, name: str) -> Iterator[Cookie | UsageError]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{name}: it begins like JSON and is none") from None
    if isinstance(value, dict):
        value = value.get("cookies")
    for number, item in enumerate(value if isinstance(value, list) else [], 1):
        where = f"{name}, cookie {number}"
        if not isinstance(item, dict):
            raise UsageError(f"{where}: not a cookie")
        domain = str(item.get("domain") or "")
        end = item.get("expirationDate", item.get("expires"))
        yield from _cookie(
            where,
            name=item.get("name"),
            value=item.get("value"),
            domain=domain,
            host_only=bool(item.get("hostOnly", not domain.startswith("."))),
            path=item.get("path") or "/",
            expires=end if end not in (None, "", 0, -1) and not item.get("session") else None,
            http_only=bool(item.get("httpOnly")),
            same_site=SAME_SITE.get(str(item.get("sameSite") or "").lower(), ""),
        )


def _cookie(where: str, *, domain: str, **fields: Any) -> Iterator[Cookie | UsageError]:
    """The cookie, or what is wrong with it; neither for an address or a lone name, which no site of the web is."""
    domain = domain.strip().lower().removeprefix(".")
    if "." not in domain or domain.replace(".", "").isdigit():
        return
    try:
        yield Cookie(domain=domain, **fields)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_context=False)[0]
        yield UsageError(f"{where}: this {'.'.join(map(str, wrong['loc']))} is none that a cookie can have")
