"""Pages that stand where an article should: bot challenges, logins, consent pages, soft 404s, empty shells.

A page that is taken for a wall by mistake is a lost article, so a mark alone never decides: the visible text has to
be as short as on a wall.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_twin.collect.missing_pages import says_missing
from llm_twin.collect.tame import tame
from llm_twin.errors import Reason

if TYPE_CHECKING:
    from llm_twin.collect.web import Page

HTML = {"text/html", "application/xhtml+xml", ""}
WALL_BYTES = 500_000  # walls are small; larger pages are not looked into
MARKED_BYTES = 64_000  # within which a challenge has its mark
CHALLENGE_TEXT = 1_200  # characters of visible text; challenges have 50 to 700
LOGIN_TEXT = 3_000  # login pages list their products and footers
CONSENT_TEXT = 6_000  # such pages explain themselves at length
SHELL_TEXT = 30
SHELL_SOURCE = 10_000  # characters; a page with more in its source may carry its text in embedded data
SHELL = "the page has no text; JavaScript would have to fill it in"
UNSEEN = ("head", "script", "style", "noscript", "template", "svg")

# First bytes of files that some servers label as HTML (https://mimesniff.spec.whatwg.org, section 6).
SIGNATURES = {
    b"%PDF-": "a PDF",
    b"%!PS-": "PostScript",
    b"PK\x03\x04": "a ZIP file",
    b"\x1f\x8b": "a gzip file",
    b"Rar!\x1a": "a RAR file",
    b"7z\xbc\xaf": "a 7z file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"RIFF": "a picture or a recording",
    b"OggS": "a recording",
    b"ID3": "a recording",
    b"\x1aE\xdf\xa3": "a film",
    b"\x7fELF": "a program",
    b"\xd0\xcf\x11\xe0": "an Office document",
}

# What stands in the source of a challenge or block page -> whose it is. Some stand in let-through pages as well.
CHALLENGE_MARKS = {
    "_cf_chl_opt": "Cloudflare",
    "cf-chl-": "Cloudflare",
    'id="cf-error-details"': "Cloudflare",
    "px-captcha": "PerimeterX",
    "captcha-delivery.com": "DataDome",
    "_incapsula_resource": "Imperva",
    "errors.edgesuite.net": "Akamai",
    "sec-if-cpt-container": "Akamai",
    "awswafcookiedomainlist": "AWS WAF",
    "gokuprops": "AWS WAF",
    "sucuri_cloudproxy_js": "Sucuri",
    "check.ddos-guard.net": "DDoS-Guard",
    "vercel security checkpoint": "Vercel",
    "_fs-ch-": "Fastly",
    "anubis_challenge": "Anubis",
}
CHALLENGE_HEADERS = {"cf-mitigated": "Cloudflare", "x-amzn-waf-action": "AWS WAF"}
CHALLENGE_TITLES = re.compile(
    r"just a moment(\.\.\.|…)?|attention required! \| cloudflare|access denied|ddos-guard|vercel security checkpoint"
    r"|one moment, please(\.\.\.|…)|please wait\.\.\. \| cloudflare|pardon our interruption(\.\.\.)?|client challenge"
    r"|access to this page has been denied\.?|checking your browser.*|(are you a|you are not a) robot\??"
    r"|verify(ing)? (that )?you are (a )?human.*|human verification|bot verification|making sure you're not a bot!"
    r"|sorry, you have been blocked|security checkpoint|403 forbidden"
)
# The end of a path that asks to sign in, and LinkedIn's places for strangers.
LOGIN_PATH = re.compile(
    r"(^|/)(log-?in|sign-?in|sign_in|log_in|sign-?up|wp-login\.php|session/new|i/flow/login|checkpoint/lg/[\w-]+)/?$"
    r"|^/(authwall|uas/login|checkpoint/challenge)\b",
    re.I,
)
LOGIN_TITLE = re.compile(r"(log ?in|sign ?in|sign up|join linkedin|linkedin login)\b", re.I)
TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,300})<", re.I)
PASSWORD = re.compile(r"type=.?password")
CONSENT_HOST = re.compile(r"(consent|guce|cmp|myprivacy|privacy-?gate|cookiewall)\.", re.I)
CONSENT_PATH = re.compile(r"/(collectconsent|cookie-?(wall|consent)|consent|privacy-?(gate|wall))\b", re.I)
CONSENT_TITLE = re.compile(
    r"before you continue\b.*|bevor sie .{0,40}weitergehen.*|avant d.accéder à .*|antes de (ir a|continuar) .*"
    r"|(.{1,40} )?(we (value|care about|respect) your privacy|privacy gate|(cookie|privacy) (consent|settings|wall))"
    r"|datenschutz-?einstellungen|.{1,40} (is part of|gehört zur|fait partie de) .{0,20}yahoo.{0,40}",
)
CONSENT_BUTTON = re.compile(
    r"""<(?:button|a|input)\b[^>]{0,400}?(?:value=["']|>(?:\s*<[^>]{0,200}>)*\s*)[^<"']{0,20}"""
    r"(?:accept all|agree|allow all|(?:alle )?akzeptieren|zustimmen|tout accepter|j.accepte|aceptar|accetta tutto"
    r"|accepteren|akkoord|aceitar)"
)
SEEN_WITHOUT_TEXT = re.compile(r"<(img|picture|iframe|video|audio|object|embed|frameset)\b|http-equiv=.?refresh")


def login_path(url: str) -> bool:
    """Whether a URL's path is one where sites ask to sign in."""
    return LOGIN_PATH.search(urlsplit(url).path) is not None


def wall(page: Page) -> tuple[Reason, str] | None:
    """Why a page is no article whatever its status says, and a word on it; None for all others."""
    for header, owner in CHALLENGE_HEADERS.items():
        if page.headers.get(header) in ("challenge", "captcha"):
            return Reason.BLOCKED, f"a check for robots by {owner} stands before it"
    if page.content_type not in HTML:
        return None
    film = "a film" if page.body[4:8] == b"ftyp" else ""
    what = next((what for first, what in SIGNATURES.items() if page.body.startswith(first)), film)
    if what and not urlsplit(page.url).path.endswith(".gz"):  # a packed sitemap
        return (
            Reason.NOT_HTML,
            f"{what} by its first bytes, although the server calls it {page.content_type or 'nothing'}",
        )
    if len(page.body) > WALL_BYTES:
        return None
    source = page.text  # as it is: to lower the case of a whole page takes longer than all the rest
    match = TITLE.search(source)
    title = " ".join(unescape(match[1].lower()).split()) if match else ""
    beginning = page.body[:MARKED_BYTES].lower()
    owner = next((owner for mark, owner in CHALLENGE_MARKS.items() if mark.encode() in beginning), "")
    if owner or CHALLENGE_TITLES.fullmatch(title):
        if len(_seen(source)) < CHALLENGE_TEXT:
            return Reason.BLOCKED, f'a check for robots{f" by {owner}" if owner else ""} stands before it: "{title}"'
    elif login_path(page.url) or (LOGIN_TITLE.match(title) and PASSWORD.search(source.lower())):
        if len(_seen(source)) < LOGIN_TEXT:
            return Reason.LOGIN_REQUIRED, f"the site asks to sign in: {page.url}"
    elif _asks_consent(page.url, title, source):
        return Reason.BLOCKED, f'a consent page stands before it: "{title}"'
    elif said := says_missing(title, source):
        return Reason.NOT_FOUND, f'the page says "{said.lower()}", although its status is {page.status}'
    elif len(source) < SHELL_SOURCE and "<script" in source.lower() and not SEEN_WITHOUT_TEXT.search(source.lower()):
        return (Reason.EMPTY, SHELL) if len(_seen(source)) < SHELL_TEXT else None
    return None


def _asks_consent(url: str, title: str, source: str) -> bool:
    """Whether nothing is shown before somebody agrees. A banner over an article leaves the article's text."""
    where = urlsplit(url)
    named = CONSENT_HOST.match(where.netloc) or CONSENT_PATH.search(where.path) or CONSENT_TITLE.fullmatch(title)
    return bool(named and CONSENT_BUTTON.search(source.lower())) and len(_seen(source)) < CONSENT_TEXT


def _seen(source: str) -> str:
    """The text that a reader without JavaScript sees."""
    from lxml import etree, html

    try:
        tree = html.document_fromstring(tame(source).encode(), parser=html.HTMLParser(encoding="utf-8", huge_tree=True))
    except (etree.ParserError, ValueError):  # nothing but spaces or comments
        return ""
    etree.strip_elements(tree, etree.Comment, *UNSEEN, with_tail=False)
    return " ".join(etree.tostring(tree, method="text", encoding="unicode").split())
