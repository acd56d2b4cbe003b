"""Links: what counts as one, and the canonical form that decides whether two are the same.

Canonical = scheme and host lower-cased (IDNA), default port, fragment and tracking parameters dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from llm_twin.errors import Permanent, Reason

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_LINK_LENGTH = 2048  # the longest that browsers, servers and sitemaps agree on
MAX_HOST_LENGTH = 253  # and 63 for a label: RFC 1035
LABEL = re.compile(r"[a-z0-9_-]{1,63}")
SURROGATE = re.compile("[\ud800-\udfff]")  # half of a character
SSH = re.compile(r"(?:ssh://)?[\w.-]+@([\w-]+(?:\.[\w-]+)+)[:/](?!//)(\S+)")
CREDENTIALS = re.compile(r"^(\s*(?:https?:)?//)[^/?#]*@", re.I)
ESCAPE = re.compile(r"%[0-9a-f]{2}", re.I)

# Parameters that say where a reader came from, never what is shown.
TRACKING = re.compile(
    r"utm_\w+|mtm_\w+|pk_\w+|fbclid|gclid|dclid|msclkid|igshid|mc_cid|mc_eid|yclid|_hsenc|_hsmi|ref_src|ref_url|trk",
    re.I,
)
# `sk` is Medium's friend link, `r` Substack's referral; elsewhere these letters may mean anything.
SITE_TRACKING = {
    "medium.com": {"source", "sk", "gi"},
    "substack.com": {"r", "s", "publication_id", "post_id", "isFreemail", "triedRedirect", "showWelcome"},
}


def parse_link(text: str) -> str:
    """The link in `text`, checked. Raises `Permanent(BAD_LINK)` with a hint when it is none."""
    link = text.strip()
    if not link or len(link) > MAX_LINK_LENGTH or re.search(r"[\s\x00-\x1f\x7f]", link):
        raise Permanent(Reason.BAD_LINK, "not a link: empty, over 2,048 characters, or with spaces in it")
    if not link.isascii() and SURROGATE.search(link):
        raise Permanent(Reason.BAD_LINK, "not a link: it has characters that no link can hold")
    try:
        parts = urlsplit(link)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        what = "a user name or password in it" if "@" in link else str(error)
        raise Permanent(Reason.BAD_LINK, f"not a link: {what}") from None
    if ssh := SSH.fullmatch(link):
        raise Permanent(Reason.BAD_LINK, f"an address for ssh; did you mean https://{ssh[1]}/{ssh[2].lstrip('/')} ?")
    if not parts.scheme or ("." in parts.scheme and not parts.netloc) or (parts.scheme == "localhost"):
        raise Permanent(Reason.BAD_LINK, f"no scheme; did you mean https://{link.lstrip('/')} ?")
    if parts.scheme.lower() not in DEFAULT_PORTS:
        raise Permanent(Reason.BAD_LINK, f"unknown scheme {parts.scheme}://; only http and https are collected")
    if not host:
        raise Permanent(Reason.BAD_LINK, "no host in the link")
    if parts.username or parts.password:
        raise Permanent(Reason.BAD_LINK, "the link carries a user name or password; remove it")
    if port == 0:
        raise Permanent(Reason.BAD_LINK, "port 0 in the link; nothing can listen there")
    if "[" in parts.netloc and ":" not in host:  # IPvFuture, which nobody uses; unbracketed it would be a name
        raise Permanent(Reason.BAD_LINK, f"no valid host name: [{host}]")
    ascii_host(host)
    return link


def without_credentials(link: str) -> str:
    """A web link with what may be a user name and a password in it as `***`: fit to be shown and stored, not to be
    asked for."""
    return CREDENTIALS.sub(r"\1***@", link) if "@" in link else link


def ascii_host(host: str) -> str:
    """The host in lower case as DNS knows it (IDNA), without a trailing dot. Raises `Permanent(BAD_LINK)`."""
    try:
        if ":" in host and "%" not in host:  # after % comes a zone, which means nothing elsewhere
            return str(IPv6Address(host))
        ascii_form = (host if host.isascii() else host.encode("idna").decode()).lower().removesuffix(".")
    except ValueError:  # of which UnicodeError is one
        ascii_form = ""
    labels = ascii_form.split(".")
    if len(ascii_form) > MAX_HOST_LENGTH or not all(LABEL.fullmatch(label) for label in labels):
        raise Permanent(Reason.BAD_LINK, f"no valid host name: {host}")
    return ascii_form


def canonical(link: str) -> str:
    """The form of `link` by which documents are told apart. Idempotent. Raises `Permanent(BAD_LINK)`."""
    parts = urlsplit(parse_link(link))
    scheme, host = parts.scheme.lower(), ascii_host(parts.hostname or "")
    netloc = f"[{host}]" if ":" in host else host
    if parts.port and parts.port != DEFAULT_PORTS[scheme]:
        netloc += f":{parts.port}"
    site = next((names for domain, names in SITE_TRACKING.items() if on_domain(host, domain)), set())
    query = [
        (name, value)
        # Escapes that are no UTF-8 go through as they are: two links with different ones are two.
        for name, value in parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
        if not TRACKING.fullmatch(name) and name not in site
    ]
    path = ESCAPE.sub(lambda escape: escape[0].upper(), quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._"))
    form = urlunsplit((scheme, netloc, path, urlencode(query, safe="/:@,", errors="surrogateescape"), ""))
    return parse_link(form)  # escaped it may have become too long


@lru_cache(maxsize=256)  # every site is asked whether it takes a link
def host_of(link: str) -> str:
    """The host of a link as DNS knows it. Raises `Permanent(BAD_LINK)`."""
    return ascii_host(urlsplit(parse_link(link)).hostname or "")


def domain_of(link: str) -> str:
    """What runs are counted by: the host without `www.`, or the text itself when it is no link."""
    try:
        return host_of(link).removeprefix("www.")
    except Permanent:
        return "(no link)"


def on_domain(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or below it; `github.com.evil.org` is not on `github.com`."""
    return host == domain or host.endswith("." + domain)


def same_site(one: str, other: str) -> bool:
    """Whether two links lie on hosts of one site: equal but for `www.`, or one below the other."""
    a, b = (host_of(link).removeprefix("www.") for link in (one, other))
    return on_domain(a, b) or on_domain(b, a)
