"""The sites that one can sign in to: where that is done, and how it shows. Version 1, of 2026.

Any other host works too: it is opened, and what its cookies are when the window is closed is the session.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from llm_twin.collect.sessions.cookies import Cookie
from llm_twin.errors import LinkError, Permanent, Reason, UsageError
from llm_twin.links import host_of, on_domain, parse_link, without_credentials


@dataclass(frozen=True)
class Site:
    """A site, and what has to be known of it to sign in."""

    name: str
    domains: tuple[str, ...]  # that its cookies are for
    login: str  # the page to sign in on
    check: str  # a page that only who is signed in may see; "": there is none known
    mark: str = ""  # the cookie that who is signed in has; "": not known
    anonymous: str = ""  # how that cookie begins for all others
    passwords: bool = True  # whether one can sign in by name and password
    files: tuple[str, ...] = ()  # domains that scripts and pictures of its pages come from
    browser_only: bool = False  # it turns away all that is no browser
    shown_by: str = ""  # what stands in the source of its pages, on domains of others as well
    identity: str = ""  # how paths begin by which it tells domains of others who somebody is
    stranger: str = ""  # a pattern in the source of pages that were made for nobody in particular

    def signed_in(self, cookies: Iterable[Cookie]) -> bool:
        """Whether these cookies are those of somebody who is signed in, as far as that shows in them."""
        mine = [cookie for cookie in cookies if cookie.live and cookie.belongs_to(self.domains)]
        if not self.mark:
            return bool(mine)
        values = [cookie.value for cookie in mine if cookie.name == self.mark]
        return any(value and not (self.anonymous and value.startswith(self.anonymous)) for value in values)

    def own(self, cookies: Iterable[Cookie]) -> tuple[Cookie, ...]:
        """Its cookies among these."""
        return tuple(cookie for cookie in cookies if cookie.live and cookie.belongs_to(self.domains))

    def serves(self, host: str) -> bool:
        """Whether its pages come from this host, or what they are made of."""
        return any(on_domain(host, domain) for domain in (*self.domains, *self.files))

    def shows_stranger(self, source: str) -> bool:
        """Whether a page's source says that it was made for somebody who is not signed in."""
        return bool(self.stranger and re.search(self.stranger, source))

    @property
    def renew(self) -> str:
        """The command that signs in again."""
        return f"twin login {self.name}"


SITES = {
    "medium": Site(
        "medium",
        ("medium.com",),
        "https://medium.com/m/signin",
        "https://medium.com/me/settings",
        mark="uid",
        anonymous="lo_",
        passwords=False,
        shown_by="com.medium.reader",
        identity="/m/global-identity",
        stranger=r'"viewer"\s*:\s*null|"user"\s*:\s*\{\s*"id"\s*:\s*"lo_',
    ),
    "linkedin": Site(
        "linkedin",
        ("linkedin.com",),
        "https://www.linkedin.com/login",
        "https://www.linkedin.com/feed/",
        mark="li_at",
        files=("licdn.com",),
        browser_only=True,
    ),
}


def site_named(name: str) -> Site:
    """The site with this name, or with this host or address. Raises `UsageError` for what is none of them."""
    name = name.strip()
    if name.lower() in SITES:
        return SITES[name.lower()]
    link = name if "://" in name else f"https://{name}" + "/" * (not set(name) & set("/?"))
    try:
        host = host_of(parse_link(link)).removeprefix("www.")
    except LinkError as error:
        shown = without_credentials(link) if "@" in link else name
        raise UsageError(f"{shown}: {error.detail}; give medium, linkedin or a host") from None
    known = site_of(host)
    if known:
        return known
    address = host.replace(".", "").isdigit()  # no cookie is for one
    if "." not in host or address or urlsplit(link).scheme.lower() != "https":
        raise UsageError(f"{name}: no site to sign in to by https; give medium, linkedin or a host such as ada.dev")
    return Site(host, (host,), link, "")


def site_of(host: str) -> Site | None:
    """The known site that a host belongs to."""
    return next((site for site in SITES.values() if any(on_domain(host, domain) for domain in site.domains)), None)


def over(site: Site, problem: str) -> Permanent:
    """What is to be said of a session with this problem; "": there is none."""
    if problem == "blocked":
        told = f"{site.name} wants to see a person; nothing more is asked of it: look at it in your browser, then"
        return Permanent(Reason.BLOCKED, f"{told} {site.renew}")
    if problem == "expired":
        told = f"{site.name} takes the saved session no longer; sign in again: {site.renew}"
        return Permanent(Reason.LOGIN_EXPIRED, told)
    return Permanent(Reason.LOGIN_REQUIRED, f"{site.name} shows this to who is signed in alone: {site.renew}")
