"""Pages that JavaScript draws, read with a real Chromium that reaches nothing but what it is let to.

A browser takes seconds to start, so a test looks at all that one can show.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD
from llm_twin import Settings, Twin
from llm_twin.collect import browser
from llm_twin.collect.pages import Page
from llm_twin.collect.web import Web
from llm_twin.documents import Outcome, now
from llm_twin.errors import Reason
from server import Answer, LocalServer, Request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    not CHROMIUM or find_spec("playwright") is None, reason="no Chromium, or no Playwright, on this machine"
)
SHELL = "<html><head><title>Bread</title>{}</head><body><div id=root></div><script>{}</script></body></html>"
DRAW = """
const draw = story => { document.getElementById('root').innerHTML =
  '<article><h1>' + story.title + '</h1>' + story.text.map(p => '<p>' + p + '</p>').join('') + '</article>'; };
"""
EXTRAS = "<img src=/a.png><link rel=stylesheet href=/a.css><iframe src=/frame></iframe><video src=/a.mp4></video>"
FETCHED = SHELL.format("", DRAW + "fetch('/story.json').then(answer => answer.json()).then(draw);")
STORY = {"title": "How to bake sourdough", "text": list(BREAD)}
SPA = "http://spa.example/bread"
MEDIUM = "http://medium.com/@ada/how-to-bake-sourdough-3f9a1c5b7d2e"
SUBSTACK = "http://ada.substack.com/p/how-to-bake-sourdough"
PUBLIC = "93.184.215.14"  # an address that is public by its spelling; only ever asked for through a proxy


@pytest.fixture
def world() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.route("spa.example", "/bread", body=FETCHED.replace("<div", EXTRAS + "<div"))
        app = "<meta property='al:android:package' content='com.medium.reader'>"
        medium = SHELL.format(app, DRAW + "fetch('/story.json', {method: 'POST'}).then(a => a.json()).then(draw);")
        server.route("medium.com", "/@ada/how-to-bake-sourdough-3f9a1c5b7d2e", body=medium)
        server.route("ada.substack.com", "/p/how-to-bake-sourdough", body=FETCHED)
        for host in ("spa.example", "medium.com", "ada.substack.com"):
            server.route(host, "/story.json", body=json.dumps(STORY), content_type="application/json")
        yield server


Collect = Callable[..., tuple[dict[str, Outcome], dict[str, str]]]


@pytest.fixture
def collect(world: LocalServer, tmp_path: Path) -> Collect:
    """Collect links: how each ended, and the texts of all by their platforms."""

    def once(*urls: str, **options: Any) -> tuple[dict[str, Outcome], dict[str, str]]:
        usual = {"home": tmp_path, "resolve": world.resolve, "allow_private": True, "delay": 0, "retries": 0}
        with Twin(Settings.load(**{**usual, **options})) as twin:
            outcomes = {each.link: each for each in twin.collect("Ada", urls or [SPA]).outcomes}
            return outcomes, {each.platform: each.text for each in twin.documents()}

    return once


def asked(world: LocalServer, host: str = "spa.example") -> list[str]:
    return [request.path for request in world.requests if request.host == host and request.path != "/robots.txt"]


@needs_browser
def test_pages_that_javascript_draws_are_read_on_every_site(collect: Collect, world: LocalServer) -> None:
    outcomes, texts = collect(SPA, MEDIUM, SUBSTACK)
    for link in (SPA, MEDIUM, SUBSTACK):
        assert (outcomes[link].status, outcomes[link].title) == ("new", "How to bake sourdough"), outcomes[link].detail
    assert set(texts) == {"spa.example", "medium", "substack"}
    for text in texts.values():
        assert all(part in text for part in BREAD)
    assert asked(world) == ["/bread", "/story.json"], "nothing is fetched twice, nor what draws no text"
    assert {request.headers["user-agent"] for request in world.requests} == {Settings().user_agent}
    # The page is the same next time, what it draws is not.
    new = {**STORY, "text": [*BREAD, "A postscript on rye, which wants more water than wheat does and less time."]}
    world.route("spa.example", "/story.json", body=json.dumps(new), content_type="application/json")
    outcomes, texts = collect()
    assert outcomes[SPA].status == "updated"
    assert "postscript on rye" in texts["spa.example"]


@needs_browser
def test_pages_that_need_no_browser_start_none(collect: Collect, world: LocalServer) -> None:
    article = f"<article><h1>T</h1>{''.join(f'<p>{part}</p>' for part in BREAD)}</article>"
    link = world.route("blog.example", "/bread", body=article)
    outcomes, _ = collect(link, browser="/bin/false")
    assert outcomes[link].status == "new"


def test_never_leaves_pages_of_all_sites_unread(collect: Collect, world: LocalServer) -> None:
    outcomes, _ = collect(SPA, MEDIUM, SUBSTACK, render="never")
    assert {(each.status, each.reason) for each in outcomes.values()} == {("failed", Reason.EMPTY)}
    assert asked(world) == ["/bread"]


@needs_browser
def test_always_draws_pages_that_have_text_already_and_pages_may_not_grow_beyond_the_limit(
    collect: Collect, world: LocalServer
) -> None:
    paragraphs = "".join(f"<p>{part}</p>" for part in BREAD)
    more = "<script>document.querySelector('article').innerHTML += '<p>Added by a script, once it ran.</p>'</script>"
    page = f"<article><h1>Bread</h1>{paragraphs}</article>{more}"
    links = [world.route(host, f"/p/bread-{12 * '0'}", body=page) for host in ("blog.example", "ada.medium.com")]
    growing = SHELL.format("", "document.write('<p>' + 'word '.repeat(100000))")
    grown = world.route("grown.example", "/", body=growing)
    for render, found in (("never", False), ("always", True)):
        outcomes, texts = collect(*links, grown, render=render, max_page_bytes=100_000)
        assert {outcomes[link].status for link in links} == {"updated" if found else "new"}
        assert [("Added by a script" in text) for text in texts.values()] == [found, found]
        assert outcomes[grown].reason is (Reason.TOO_LARGE if found else Reason.EMPTY)


def test_a_machine_without_the_browser_is_told_what_to_install(collect: Collect) -> None:
    outcomes, _ = collect(SPA, MEDIUM, browser="/nowhere/chromium")
    for outcome in outcomes.values():
        assert outcome.reason is Reason.EMPTY
        assert "/nowhere/chromium" in outcome.detail or "pip install 'llm-twin[browser]'" in outcome.detail


# Each runs in a script of its own; `show` draws a text. PRIVATE is an address of the server that nobody may ask.
ESCAPES = (
    "fetch('PRIVATE').then(a => a.text()).then(show)",
    "fetch('PRIVATE', {mode: 'no-cors'}).then(a => a.text()).then(show)",
    "fetch('/redirect').then(a => a.text()).then(show)",
    "fetch('/redirect', {method: 'POST', body: 'x'}).then(a => a.text()).then(show)",
    *(
        f"fetch('http://{host}:PORT/inside').then(a => a.text()).then(show)"
        for host in ("localhost", "localhost.", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "[::1]")
    ),
    "fetch('http://[::ffff:127.0.0.1]:PORT/inside').then(a => a.text()).then(show)",
    "fetch('http://metadata.google.internal/inside').then(a => a.text()).then(show)",
    "const x = new XMLHttpRequest(); x.open('GET', 'PRIVATE', false); x.send(); show(x.responseText)",
    "import('PRIVATE').then(show)",
    "new WebSocket('ws://127.0.0.1:PORT/inside')",
    "new WebTransport('https://127.0.0.1:PORT/inside')",
    "navigator.sendBeacon('PRIVATE', 'x')",
    "navigator.serviceWorker.register('PRIVATE')",
    "window.open('PRIVATE')",
    "add('<iframe src=PRIVATE></iframe><img src=PRIVATE><object data=PRIVATE></object><embed src=PRIVATE>')",
    "add('<iframe src=file:///etc/passwd></iframe>')",
    "add('<iframe srcdoc=\"<script src=PRIVATE><\\/script>\"></iframe>')",
    "add('<iframe src=\"data:text/html,<script src=PRIVATE><\\/script>\"></iframe>')",
    "add('<link rel=preconnect href=PRIVATE><link rel=prefetch href=PRIVATE><link rel=dns-prefetch href=PRIVATE>')",
    "add('<link rel=stylesheet href=PRIVATE><link rel=modulepreload href=PRIVATE><style>@import \"PRIVATE\"</style>')",
    "const s = document.createElement('script'); s.src = 'PRIVATE'; document.body.append(s)",
    "const r = document.createElement('script'); r.type = 'speculationrules';"
    ' r.textContent = \'{"prerender": [{"urls": ["PRIVATE"]}]}\'; document.body.append(r)',
    "add('<form action=PRIVATE target=f method=post id=g></form><iframe name=f></iframe>');"
    " document.getElementById('g').submit()",
    "const p = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:PORT'}]}); p.createDataChannel('x');"
    " p.createOffer().then(o => p.setLocalDescription(o))",
    "new EventSource('PRIVATE')",
    "new Worker(URL.createObjectURL(new Blob([`fetch('PRIVATE')`])))",
    "const b = document.createElement('base'); b.href = 'PRIVATE'; document.head.append(b);"
    " fetch('inside').then(a => a.text()).then(show)",
)
# And a page of its own for each of these, which end it.
DEPARTURES = (
    *(
        f"location = '{to}'"
        for to in ("PRIVATE", "file:///etc/passwd", "chrome://version", "http://localhost.:PORT/inside")
    ),
    "add('<a href=PRIVATE download=x ping=PRIVATE id=a>x</a>'); document.getElementById('a').click()",
    "add('<meta http-equiv=refresh content=\"0; url=PRIVATE\">')",
)


@needs_browser
def test_a_script_reaches_nothing_private(world: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own host is asked through a proxy, which would answer for all others as well."""
    private = f"http://127.0.0.1:{world.port}/inside"
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{world.port}")
    world.route(PUBLIC, "/redirect", status=302, headers={"location": private})
    world.route(PUBLIC, "/ran", body="ok")
    for host in ("127.0.0.1", "localhost", "metadata.google.internal"):
        world.route(host, "/inside", body="secrets of this network " * 20)

    def scripts(sources: tuple[str, ...]) -> str:
        tools = (
            "const add = html => { const e = document.createElement('div'); document.body.append(e);"
            " e.innerHTML = html; }; const show = text => add('<p>' + text + '</p>');"
        )
        each = (f"<script>{{ fetch('/ran?{number}'); {source} }}</script>" for number, source in enumerate(sources))
        page = f"<html><body>x<script>{tools}</script>{''.join(each)}</body></html>"
        return page.replace("PRIVATE", private).replace("PORT", str(world.port))

    pages = [scripts(ESCAPES), *(scripts((source,)) for source in DEPARTURES)]

    async def run() -> list[str | BaseException]:
        async def drawn(source: str) -> str:
            page = Page(f"http://{PUBLIC}/evil", 200, {"content-type": "text/html"}, now(), source.encode())
            return (await web.drawn(page)).text

        async with Web(Settings(home=tmp_path, delay=0, retries=0, timeout=15)) as web:
            return await asyncio.gather(*map(drawn, pages), return_exceptions=True)

    for found in asyncio.run(run()):
        assert "secrets of this network" not in str(found)
        assert "root:x:" not in str(found)
    assert {(request.host, request.path) for request in world.requests} == {(PUBLIC, "/ran"), (PUBLIC, "/redirect")}
    ran = {request.query for request in world.asked("/ran")}
    assert ran == {str(number) for number in range(len(ESCAPES))}, "every script has run"


@needs_browser
def test_pages_without_an_end_and_pages_without_measure_fail_alone(
    collect: Collect, world: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "QUIET_SECONDS", 3.0)
    late = (Reason.TIMEOUT, Reason.EMPTY)
    expected = {
        "while (true) {}": late,
        "alert(1); setInterval(() => fetch('/more'), 5)": late,
        "const a = []; while (true) a.push('x'.repeat(1e6) + a.length)": (*late, Reason.TOO_COMPLEX),
    }
    links = {
        world.route(f"site{number}.example", "/", body=SHELL.format("", script)): reasons
        for number, (script, reasons) in enumerate(expected.items())
    }
    outcomes, _ = collect(*links, timeout=4)
    for link, reasons in links.items():
        assert outcomes[link].reason in reasons, outcomes[link].detail
        assert outcomes[link].seconds < 120  # on a busy machine; without an end it would be for ever


def test_robots_hold_for_what_is_drawn(collect: Collect, world: LocalServer) -> None:
    world.route("spa.example", "/robots.txt", body="User-agent: *\nDisallow: /bread\n", content_type="text/plain")
    outcomes, _ = collect(render="always")
    assert outcomes[SPA].reason is Reason.ROBOTS


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for a browser's sockets, whose paths may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="draw-") as path:
        yield Path(path)


CHILD = """
import json, sys
from llm_twin import Settings, Twin
with Twin(Settings.load(**json.loads(sys.argv[1]))) as twin:
    twin.collect("Ada", ["http://spa.example/bread"])
"""


@needs_browser
def test_nothing_of_the_browser_is_left_by_a_killed_run_nor_by_a_finished_one(
    collect: Collect, tmp_path: Path, world: LocalServer, short_path: Path
) -> None:
    drawing, go_on = threading.Event(), threading.Event()
    during = set[int]()

    def answer(request: Request) -> Answer:
        during.update(descendants())
        drawing.set()
        go_on.wait(60)
        return Answer(json.dumps(STORY), 200, {"content-type": "application/json"})

    def ended(pids: set[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):  # it has ended already
                done, _, _ = select.select([os.pidfd_open(pid)], [], [], 20)
                assert done, f"process {pid} goes on"

    world.route("spa.example", "/story.json", answer)
    before = descendants()
    options = {"home": str(tmp_path), "resolve": world.resolve, "allow_private": True, "delay": 0, "retries": 0}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(options)],
        env=os.environ | {"TMPDIR": str(short_path)},
        stderr=subprocess.DEVNULL,
    )
    assert drawing.wait(60)
    assert [*short_path.iterdir()], "the browser's profile"
    child.kill()
    child.wait()
    go_on.set()
    assert len(during - before) > 2
    ended(during - before)
    assert not [*short_path.iterdir()]

    during.clear()
    outcomes, _ = collect()
    assert outcomes[SPA].status == "new", outcomes[SPA].detail
    assert len(during - before) > 2
    ended(during - before)


def descendants() -> set[int]:
    """The processes that this one has started, and those that they have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}
