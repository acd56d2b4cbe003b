"""Pages that stand where an article should: bot challenges, logins, consent pages, soft 404s, empty shells.

A page that is taken for a wall by mistake is a lost article, so a mark alone never decides: the visible text has to
be as short as on a wall.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from functools import cache, partial
from html import unescape
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from llm_twin.collect.reading.missing_pages import SEPARATORS, says_missing
from llm_twin.collect.reading.tame import tame
from llm_twin.errors import Reason

if TYPE_CHECKING:
    from lxml.html import HtmlElement

    from llm_twin.collect.web import Page

HTML = {"text/html", "application/xhtml+xml", ""}
WALL_BYTES = 500_000  # walls are small; larger pages are not looked into
MARKED_BYTES = 64_000  # within which a challenge has its mark
CHALLENGE_TEXT = 1_200  # characters of visible text; challenges have 50 to 700
RUNNING_TEXT = 45  # words in sentences; what walls without a mark say has up to 40, short articles have 50
LOGIN_TEXT = 3_000  # login pages list their products and footers
CONSENT_TEXT = 6_000  # such pages explain themselves at length
SHELL_TEXT = 30
SHELL_SOURCE = 10_000  # characters; a page with more in its source may carry its text in embedded data
SHELL = "the page has no text; JavaScript would have to fill it in"
UNSEEN = ("head", "script", "style", "noscript", "template", "svg")

GZIP = b"\x1f\x8b"
# First bytes of files that some servers label as HTML (https://mimesniff.spec.whatwg.org, section 6).
SIGNATURES = {
    b"%PDF-": "a PDF",
    b"%!PS-": "PostScript",
    b"PK\x03\x04": "a ZIP file",
    GZIP: "a gzip file",
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

SNIFFED = 1445  # bytes, as the same standard has it
PACKED_PAGE = re.compile(rb"<(?:!doctype html|html|head|body)\b")
PACKED_BYTES = 4096  # in which so many are packed, names and comments of the packer included
BINARY = bytes({*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)})  # section 3, binary data bytes
BINARY_SHARE = 0.04  # a ninth of random bytes are such; damaged pages have a few
MARKUP = re.compile(rb"<(?:!doctype|html|head|body|title|meta|div|span|article|main|\?xml|h1|p>)")

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
    "window.kpsdk={}": "Kasada",
    "/_sec/verify?provider=": "Akamai",
    "/.well-known/sgcaptcha/": "SiteGround",
    "aliyun_waf": "Alibaba Cloud",
    "/checkcaptcha": "Yandex",
    "your support id is": "F5",
    "validate.perfdrive.com": "Radware",
    'id="px-block"': "PerimeterX",
    "/.bunny-shield/": "bunny.net",
}
CHALLENGE_HEADERS = {"cf-mitigated": "Cloudflare", "x-amzn-waf-action": "AWS WAF"}
CHALLENGE_TITLES = re.compile(
    r"just a moment(\.\.\.|…)?|attention required! \| cloudflare|ddos-guard|vercel security checkpoint"
    r"|one moment, please(\.\.\.|…)|please wait\.\.\. \| cloudflare|pardon our interruption(\.\.\.)?|client challenge"
    r"|access to this page has been denied\.?|making sure you're not a bot!|sorry, you have been blocked"
    r"|403 forbidden|request rejected|robot challenge screen"
    r"|error: the request could not be satisfied|your access to this site has been limited.*"
    r"|nur einen moment(\.\.\.|…)|un (moment|instant|momento)(\.\.\.|…)"
)
# Those that an author may give as well.
CHALLENGE_QUESTIONS = re.compile(
    r"access denied|checking your browser.*|(are you a|you are not a) robot\??|robot or human\?|\w+ не робот\?"
    r"|verify(ing)? (that )?you are (a )?human.*|(human|bot) verification|security checkpoint|bot (check|challenge)"
    r"|(访问|百度)?(安全|访问|人机)?验证"
)
# A title that says no more needs a sentence that says who was blocked.
BLOCKED_TITLE = re.compile(r"(?:(?:request|access) )?blocked")
BLOCKED = re.compile(
    rb"\b(?:your (?:request|access|ip(?: address)?) (?:has been|was)|you(?: have|'ve)? been) blocked\b"
)
# What challenges say that give neither mark nor title away; an article says it without the form that goes with it.
CHALLENGE_WORDS = tuple(
    words.encode()
    for words in (
        "verify you are human", "verify you are a human", "confirm you are a human", "confirm that you're human",
        "unusual traffic from your", "blocked by network security", "review the security of your connection",
        "checking your browser before", "complete the security check", "sicherheit ihrer verbindung",
        "dass sie kein roboter sind", "que vous n'êtes pas un robot", "que no eres un robot", "que não é um robô",
        "di non essere un robot", "\u043d\u0435 \u0440\u043e\u0431\u043e\u0442",  # ne robot
        "我不是机器人", "ロボットではない",
    )
)  # fmt: skip
CHALLENGE_FORM = re.compile(
    rb"<[^<>]{0,300}(?:captcha|challenge|turnstile)"
    rb"|(?:ray|reference|request|incident|support|block) id\b|<title>blocked<"
)
PHRASED_TEXT = 800  # characters of visible text around such words
# The end of a path that asks to sign in.
LOGIN_PATH = re.compile(r"(^|/)(log-?in|sign-?in|sign_in|log_in|sign-?up)/?$", re.I)
# Where no author puts an article: WordPress, Rails, X, and LinkedIn's places for strangers.
LOGIN_PLACE = re.compile(
    r"(^|/)(wp-login\.php|session/new|i/flow/login|checkpoint/lg/[\w-]+)/?$"
    r"|^/(authwall|uas/login|checkpoint/challenge)\b",
    re.I,
)
LOGIN_TITLE = re.compile(
    r"(log ?in|sign ?in|sign up|join linkedin|linkedin login|anmelden|anmeldung|einloggen|connexion|se connecter"
    r"|connectez-vous|iniciar sesi[oó]n|inicia sesi[oó]n|acceder|accedi|accesso|inloggen|aanmelden|entrar|fazer login"
    r"|logga in|log ind|logg inn|kirjaudu|zaloguj|logowanie|přihlá|bejelentkez|giriş yap|вход|войти|увійти|登录|登入"
    r"|로그인)\b|ログイン",
    re.I,
)
ACCOUNT = re.compile(
    r"""<input\b[^<>]{0,300}(?:type=["']?email|name=["']?(?:identifier|login|user(?:name)?)\b)""", re.I
)
ACCOUNT_TEXT = 400  # characters of a login that asks for the password later
TITLE = re.compile(r"<title\b[^<>]{0,200}>([^<]{0,300})<", re.I)
PASSWORD = re.compile(r"type=.?password")
CONSENT_HOST = re.compile(r"(consent|guce|cmp|myprivacy|privacy-?gate|cookiewall)\.", re.I)
CONSENT_PATH = re.compile(
    r"/(collectconsent|cookie-?(wall|consent)|consent|privacy-?(gate|wall)|zustimmung|consentement|consentimiento"
    r"|toestemming|consenso)\b",
    re.I,
)
CONSENT_TITLE = re.compile(
    r"before you continue\b.*|bevor sie .{0,40}weitergehen.*|avant d.accéder à .*|antes de (ir a|continuar) .*"
    r"|(.{1,40} )?(we (value|care about|respect) your privacy|privacy gate|(cookie|privacy) (consent|settings|wall))"
    r"|wir (?:respektieren|schätzen|achten) (?:ihre|deine) privatsphäre|nous respectons votre vie privée"
    r"|(?:respetamos|valoramos|nos importa) (?:su|tu) privacidad"
    r"|(?:rispettiamo|abbiamo a cuore) la (?:tua|sua|vostra) privacy"
    r"|datenschutz-?einstellungen|prima di continuare .*|voordat je (verder ?gaat|doorgaat).*|zanim przejdziesz .*"
    r"|.{1,40} (is part of|gehört zur|ist teil der|fait partie de|fa parte d\w+|es parte de|maakt deel uit van) "
    r".{0,40}yahoo.{0,40}",
)
CONSENT_WORDS = re.compile(r"cookie|partner|privac|datenschutz|personenbezogen|données|datos|dati personali", re.I)
CONSENT_BUTTON = re.compile(
    r"""<(?:button|a|input)\b[^<>]{0,400}?(?:value=["']|>(?:\s*+<(?!/(?:a|button)\b)[^<>]{0,200}>){0,8}+\s*+)"""
    r"""[^<"']{0,20}"""
    r"(?:accept|agree|allow all|akzeptieren|zustimmen|stimme zu|einverstanden|j.accepte|aceptar|accetta|acconsent"
    r"|akkoord|aceitar|godkänn|aksepter|hyväksy|zaakceptuj|zgadzam|souhlas|elfogad|kabul et|принять|同意)"
)
# The elements (ids or classes) that consent platforms draw over a page until somebody agrees.
CONSENT_ELEMENTS = (
    "onetrust-consent-sdk", "onetrust-banner-sdk", "sp_message_container", "didomi-host", "qc-cmp2-container",
    "CybotCookiebotDialog", "usercentrics-root", "cmpbox", "fc-consent-root", "truste-consent-track",
    "iubenda-cs-banner", "axeptio_overlay",
)  # fmt: skip
BESIDE_CONSENT = 200  # characters of visible text outside of such an element, if nothing else is shown
SEEN_WITHOUT_TEXT = re.compile(r"<(img|picture|iframe|video|audio|object|embed|frameset)\b|http-equiv=.?refresh")


def login_path(url: str) -> bool:
    """Whether a URL's path is one where sites ask to sign in."""
    path = urlsplit(url).path
    return LOGIN_PATH.search(path) is not None or LOGIN_PLACE.search(path) is not None


def may_be_packed_sitemap(page: Page) -> bool:
    """Whether a page is a gzip file by its name and its bytes, and no packed HTML."""
    if not page.body.startswith(GZIP) or not urlsplit(page.url).path.endswith(".gz"):
        return False
    try:
        beginning = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(page.body[:PACKED_BYTES], SNIFFED)
    except zlib.error:
        return False
    return PACKED_PAGE.search(beginning.lower()) is None


def wall(page: Page) -> tuple[Reason, str] | None:
    """Why a page is no article whatever its status says, and a word on it; None for all others."""
    for header, owner in CHALLENGE_HEADERS.items():
        if page.headers.get(header) in ("challenge", "captcha"):
            return Reason.BLOCKED, f"a check for robots by {owner} stands before it"
    if page.content_type not in HTML:
        return None
    other = "a film" if page.body[4:8] == b"ftyp" else "no text" if _is_binary(page.body[:SNIFFED]) else ""
    what = next((what for first, what in SIGNATURES.items() if page.body.startswith(first)), other)
    if what and not may_be_packed_sitemap(page):
        called = f", although the server calls it {page.content_type}" if page.content_type else ""
        return Reason.NOT_HTML, f"{what} by its first bytes{called}"
    if len(page.body) > WALL_BYTES:
        return None
    source = page.text  # as it is: to lower the case of a whole page takes longer than all the rest
    match = TITLE.search(source)
    title = " ".join(unescape(match[1].lower()).split()) if match else ""
    beginning = page.body[:MARKED_BYTES].lower()
    owner = next((owner for mark, owner in CHALLENGE_MARKS.items() if mark.encode() in beginning), "")
    seen, prose = cache(partial(_seen, source)), cache(partial(_prose, source))
    if (
        ((owner or CHALLENGE_TITLES.fullmatch(title)) and len(seen()) < CHALLENGE_TEXT)
        or (BLOCKED_TITLE.fullmatch(title) and BLOCKED.search(beginning) and len(seen()) < CHALLENGE_TEXT)
        or (CHALLENGE_QUESTIONS.fullmatch(title) and len(seen()) < CHALLENGE_TEXT and prose() < RUNNING_TEXT)
        or (_challenges(beginning, seen) and prose() < RUNNING_TEXT)
    ):
        return Reason.BLOCKED, f'a check for robots{f" by {owner}" if owner else ""} stands before it: "{title}"'
    if _asks_to_sign_in(page.url, title, source, seen, prose):
        return Reason.LOGIN_REQUIRED, f"the site asks to sign in: {page.url}"
    if _asks_consent(page.url, title, source, seen):
        return Reason.BLOCKED, f'a consent page stands before it: "{title}"'
    if said := says_missing(title, source):
        return Reason.NOT_FOUND, f'the page says "{said.lower()}", although its status is {page.status}'
    if len(source) < SHELL_SOURCE and "<script" in source.lower() and not SEEN_WITHOUT_TEXT.search(source.lower()):
        return (Reason.EMPTY, SHELL) if len(seen()) < SHELL_TEXT else None
    return None


def _is_binary(beginning: bytes) -> bool:
    """Whether bytes are no text in any encoding: a share of them are such as no text has, and there is no markup."""
    strange = len(beginning) - len(beginning.translate(None, BINARY))
    return strange > len(beginning) * BINARY_SHARE and not MARKUP.search(beginning.replace(b"\0", b"").lower())


def _challenges(beginning: bytes, seen: Callable[[], str]) -> bool:
    """Whether a page without a known mark asks its visitor to prove that he is no robot."""
    return (
        any(words in beginning for words in CHALLENGE_WORDS)
        and CHALLENGE_FORM.search(beginning) is not None
        and len(seen()) < PHRASED_TEXT
    )


def _asks_to_sign_in(url: str, title: str, source: str, seen: Callable[[], str], prose: Callable[[], int]) -> bool:
    """Whether a page is a login by two of its path, its title and a field for the password.

    Articles have such paths and titles too ("/docs/login", "Sign in with passkeys"), and a login box in a corner, so
    that only a title that says nothing else makes up for running text.
    """
    called = LOGIN_TITLE.match(title) is not None
    asking = called and PASSWORD.search(source.lower()) is not None
    if LOGIN_PLACE.search(urlsplit(url).path) or (asking and LOGIN_TITLE.fullmatch(SEPARATORS.split(title)[0])):
        return len(seen()) < LOGIN_TEXT
    if login_path(url) or asking:
        return len(seen()) < LOGIN_TEXT and prose() < RUNNING_TEXT
    return called and ACCOUNT.search(source) is not None and len(seen()) < ACCOUNT_TEXT


def _asks_consent(url: str, title: str, source: str, seen: Callable[[], str]) -> bool:
    """Whether nothing is shown before somebody agrees. A banner over an article leaves the article's text."""
    where = urlsplit(url)
    named = CONSENT_HOST.match(where.netloc) or CONSENT_PATH.search(where.path) or CONSENT_TITLE.fullmatch(title)
    if named and CONSENT_BUTTON.search(source.lower()) and len(seen()) < CONSENT_TEXT:
        return True
    asking = tuple(element for element in CONSENT_ELEMENTS if element in source)
    if not asking or not seen():
        return False
    beside = len(_seen(source, asking))
    return beside < BESIDE_CONSENT and beside < len(seen()) / 2


def asks_consent(heading: str, text: str, source: str) -> bool:
    """Whether the little text that was found on a page is a request to agree, by its words and the page's heading."""
    return (
        CONSENT_TITLE.fullmatch(heading.lower()) is not None
        and CONSENT_WORDS.search(text) is not None
        and CONSENT_BUTTON.search(source.lower()) is not None
    )


def _prose(source: str) -> int:
    """How many words stand in sentences, outside of menus, forms, lists and links."""
    from llm_twin.collect.reading.list_pages import sentences
    from llm_twin.collect.reading.not_articles import content_tree

    tree = content_tree(source)
    return 0 if tree is None else sentences(tree)


def _seen(source: str, without: tuple[str, ...] = ()) -> str:
    """The text that a reader without JavaScript sees; `without` elements whose id or class begins so."""
    from lxml import etree, html

    try:
        tree = html.document_fromstring(tame(source).encode(), parser=html.HTMLParser(encoding="utf-8", huge_tree=True))
    except (etree.ParserError, ValueError):  # nothing but spaces or comments
        return ""
    etree.strip_elements(tree, etree.Comment, *UNSEEN, with_tail=False)
    for element in list(tree.iter()) if without else ():
        named = (str(element.get("id") or ""), *str(element.get("class") or "").split())
        if any(name.startswith(without) for name in named) and element.getparent() is not None:
            cast("HtmlElement", element).drop_tree()
    return " ".join(etree.tostring(tree, method="text", encoding="unicode").split())
