"""Walls are told from articles: no challenge or login is kept, and no article is lost to a likeness."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from llm_twin.collect.discover.contents import content_of
from llm_twin.collect.extract import extract
from llm_twin.collect.reading.walls import wall
from llm_twin.collect.web import Page
from llm_twin.documents import now
from llm_twin.errors import Reason

REAL_PAGES = Path(__file__).parents[3] / "shared" / "data" / "pages"
PROSE = "<p>" + "A long text about bots, logins and what Cloudflare does about them. " * 60 + "</p>"

CHALLENGES = {
    "Cloudflare": """<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head><body>
        <div class="main-wrapper"><noscript>Enable JavaScript and cookies to continue</noscript></div>
        <script>(function(){window._cf_chl_opt = {cvId: '3'};})();</script></body></html>""",
    "Cloudflare block": """<title>Attention Required! | Cloudflare</title><div id="cf-error-details">
        <h1>Sorry, you have been blocked</h1><h2>You are unable to access blog.example</h2></div>""",
    "Akamai": """<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>You don't have permission
        to access this server.<P>Reference #18.2d1<P>https://errors.edgesuite.net/18.2d1</BODY></HTML>""",
    "PerimeterX": """<title>Access to this page has been denied</title><div id="px-captcha"></div>""",
    "DataDome": """<title>blog.example</title><p id="cmsg">Please enable JS and disable any ad blocker</p>
        <script src="https://ct.captcha-delivery.com/c.js"></script>""",
    "Imperva": """<html><head></head><body><iframe id="main-iframe" src="/_Incapsula_Resource?CWUDNSAI=23">
        Request unsuccessful. Incapsula incident ID: 7</iframe></body></html>""",
    "Vercel": "<title>Vercel Security Checkpoint</title><p>We're verifying your browser</p>",
    "Sucuri": "<html><title>You are being redirected...</title><script>var s={};sucuri_cloudproxy_js='';</script>",
    "no name, title only": "<title>Just a moment…</title><p>Please wait while we check your browser.</p>",
}


def page(body: str, url: str = "https://blog.example/a", status: int = 200, kind: str = "text/html") -> Page:
    return Page(url, status, {"content-type": kind}, now(), body.encode())


@pytest.mark.parametrize("name", CHALLENGES)
@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_challenge_is_blocked_whatever_its_status(name: str, status: int) -> None:
    found = wall(page(CHALLENGES[name], status=status))
    assert found
    reason, detail = found
    assert reason is Reason.BLOCKED
    assert name.split()[0] in detail or name.startswith("no name")


@pytest.mark.parametrize(("header", "value"), [("cf-mitigated", "challenge"), ("x-amzn-waf-action", "captcha")])
def test_a_challenge_that_says_so_in_a_header_is_believed(header: str, value: str) -> None:
    found = wall(Page("https://blog.example/a", 202, {header: value}, now(), b""))
    assert found
    assert found[0] is Reason.BLOCKED


@pytest.mark.parametrize("name", CHALLENGES)
def test_an_article_with_the_marks_of_a_challenge_stays_an_article(name: str) -> None:
    assert wall(page(re.sub("(?i)</body>|</html>", "", CHALLENGES[name]) + PROSE)) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://www.linkedin.com/authwall?trk=x&sessionRedirect=y",
        "https://www.linkedin.com/uas/login?session_redirect=x",
        "https://www.linkedin.com/checkpoint/challenge/AgE",
        "https://medium.com/m/signin?redirect=x",
        "https://substack.com/sign-in?for_pub=x",
        "https://blog.example/wp-login.php",
        "https://blog.example/en/login/",
        "https://x.com/i/flow/login",
    ],
)
def test_where_a_site_asks_to_sign_in_is_no_article(url: str) -> None:
    found = wall(page("<title>Welcome</title><h1>Welcome back</h1><form><input name=email></form>", url))
    assert found
    assert found[0] is Reason.LOGIN_REQUIRED


def test_a_login_in_place_of_the_page_is_seen_by_its_title_and_password_field() -> None:
    found = wall(page("<title>Sign in - Blog</title><form><input name=user><input type='password'></form>"))
    assert found
    assert found[0] is Reason.LOGIN_REQUIRED


def test_an_article_about_logging_in_stays_an_article() -> None:
    form = "<form><input type=password></form>"
    assert wall(page(f"<title>Login flows explained</title>{form}{PROSE}")) is None
    assert wall(page(f"<title>Login</title>{form}{PROSE}", "https://blog.example/posts/login")) is None
    assert wall(page("<title>Login flows explained</title><p>A short note.</p>")) is None
    assert wall(page("<title>Note</title><p>A note</p>", "https://blog.example/login-flows")) is None


def test_a_shell_that_a_script_would_fill_is_empty() -> None:
    shell = """<!doctype html><title>Blog</title><noscript>You need to enable JavaScript to run this app.</noscript>
        <div id="root"></div><script src="/static/main.js"></script>"""
    found = wall(page(shell))
    assert found
    assert found[0] is Reason.EMPTY


@pytest.mark.parametrize(
    "body",
    [
        '<title>A photo</title><script src=a.js></script><img src="a.jpg">',
        "<title>A note</title><script src=a.js></script><p>Short, but there is something to read.</p>",
        '<div id="root"></div><script type="application/json">' + '{"text": "state to read from"}' * 500 + "</script>",
    ],
)
def test_a_page_with_something_in_it_is_not_empty(body: str) -> None:
    assert wall(page(body)) is None


def test_only_pages_are_looked_at() -> None:
    assert wall(page(CHALLENGES["Cloudflare"], kind="application/json")) is None


def test_a_packed_file_is_a_sitemap_at_best_and_never_an_article() -> None:
    def packed(body: str, url: str) -> Page:
        return Page(url, 200, {"content-type": "text/html"}, now(), gzip.compress(body.encode()))

    sitemap = packed("<?xml version='1.0'?><urlset></urlset>", "https://blog.example/sitemap.gz")
    article = packed(f"<!doctype html><title>A note</title>{PROSE}", "https://blog.example/a.html.gz")
    assert wall(sitemap) is None
    assert content_of(sitemap) == "sitemap"
    found = wall(article)
    assert found
    assert found[0] is Reason.NOT_HTML
    assert content_of(article) == "html"
    for page in (sitemap, article):
        assert extract(page.body, page.url).reason is Reason.NOT_HTML


def test_odd_markup_is_no_obstacle() -> None:
    for body in ("<", "<!---->", "<script>" * 20_000, "<title " * 50_000, "<noscript>" * 900):
        assert wall(page(body)) is None
    assert wall(page("<title>Access Denied</title>"))


def test_no_real_page_is_taken_for_a_wall() -> None:
    if not REAL_PAGES.is_dir():
        pytest.skip("the real pages are not here")
    with gzip.open(REAL_PAGES / "gold.jsonl.gz", "rt") as lines:
        urls = {str(entry["id"]): entry["url"] for entry in map(json.loads, lines)}
    files = sorted((REAL_PAGES / "html").glob("*.html.gz"))[::4]
    assert len(files) > 200
    taken = []
    for file in files:
        name = file.name.removesuffix(".html.gz")
        body = gzip.decompress(file.read_bytes())
        if found := wall(Page(urls[name], 200, {"content-type": "text/html"}, now(), body)):
            taken.append((name, *found))
    assert taken == []
