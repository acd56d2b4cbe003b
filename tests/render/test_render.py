"""Pages that JavaScript draws, read with a real Chromium that reaches nothing but what it is let to."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD
from llm_twin import Settings, Twin
from llm_twin.collect.pages import Page
from llm_twin.collect.web import Web
from llm_twin.documents import Outcome, now
from llm_twin.errors import Reason
from server import Answer, LocalServer, Request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    not CHROMIUM or find_spec("playwright") is None, reason="no Chromium, or no Playwright, on this machine"
)
SHELL = "<html><head><title>Bread</title></head><body><div id=root></div><script>{}</script></body></html>"
DRAW = """
const draw = story => { document.getElementById('root').innerHTML =
  '<article><h1>' + story.title + '</h1>' + story.text.map(p => '<p>' + p + '</p>').join('') + '</article>'; };
"""
FETCHED = SHELL.format(DRAW + "fetch('/story.json').then(answer => answer.json()).then(draw);")
STORY = {"title": "How to bake sourdough", "text": list(BREAD)}
CRAWL = "http://spa.example/bread"


@pytest.fixture
def world() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.route("spa.example", "/bread", body=FETCHED)
        server.route("spa.example", "/story.json", body=json.dumps(STORY), content_type="application/json")
        yield server


Collect = Callable[..., tuple[Outcome, str]]


@pytest.fixture
def collect(world: LocalServer, tmp_path: Path) -> Collect:
    """Collect one link: how it ended, and the text."""

    def once(url: str = CRAWL, **options: Any) -> tuple[Outcome, str]:
        usual = {"home": tmp_path, "resolve": world.resolve, "allow_private": True, "delay": 0, "retries": 0}
        with Twin(Settings.load(**{**usual, **options})) as twin:
            (outcome,) = twin.collect("Ada", [url]).outcomes
            return outcome, "".join(each.text for each in twin.documents())

    return once


def asked(world: LocalServer) -> list[str]:
    return [request.path for request in world.requests if request.path != "/robots.txt"]


@needs_browser
def test_an_article_that_javascript_draws_is_read(collect: Collect, world: LocalServer) -> None:
    outcome, text = collect()
    assert (outcome.status, outcome.title) == ("new", "How to bake sourdough"), outcome.detail
    assert all(part in text for part in BREAD)
    assert asked(world) == ["/bread", "/story.json"], "the page itself is not fetched twice"
    assert {request.headers["user-agent"] for request in world.requests} == {Settings().user_agent}


@needs_browser
def test_what_a_drawn_page_shows_now_is_read_though_the_page_is_the_same(collect: Collect, world: LocalServer) -> None:
    collect()
    new = {**STORY, "text": [*BREAD, "A postscript on rye, which wants more water than wheat does and less time."]}
    world.route("spa.example", "/story.json", body=json.dumps(new), content_type="application/json")
    outcome, text = collect()
    assert outcome.status == "updated"
    assert "postscript on rye" in text


@needs_browser
def test_pages_that_need_no_browser_start_none(collect: Collect, world: LocalServer) -> None:
    world.route(
        "blog.example", "/bread", body=f"<article><h1>T</h1>{''.join(f'<p>{part}</p>' for part in BREAD)}</article>"
    )
    outcome, _ = collect("http://blog.example/bread", browser="/bin/false", resolve=world.resolve)
    assert outcome.status == "new"


def test_never_leaves_the_page_unread(collect: Collect, world: LocalServer) -> None:
    outcome, _ = collect(render="never")
    assert (outcome.status, outcome.reason) == ("failed", Reason.EMPTY)
    assert asked(world) == ["/bread"]


@needs_browser
def test_always_draws_pages_that_have_text_already(collect: Collect, world: LocalServer) -> None:
    paragraphs = "".join(f"<p>{part}</p>" for part in BREAD)
    more = (
        "<script>document.querySelector('article').innerHTML += '<p>Added by a script, once it ran here.</p>'</script>"
    )
    world.route("blog.example", "/bread", body=f"<article><h1>Bread</h1>{paragraphs}</article>{more}")
    for render, found in (("auto", False), ("always", True)):
        _, text = collect("http://blog.example/bread", render=render, resolve=world.resolve)
        assert ("Added by a script" in text) is found


def test_a_machine_without_the_browser_is_told_what_to_install(collect: Collect) -> None:
    outcome, _ = collect(browser="/nowhere/chromium")
    assert outcome.reason is Reason.EMPTY
    assert "/nowhere/chromium" in outcome.detail or "pip install 'llm-twin[browser]'" in outcome.detail


ESCAPES = (
    "fetch('http://127.0.0.1:PORT/inside').then(a => a.text()).then(t => draw({title: t, text: [t]}))",
    "fetch('http://inside.example/inside').then(a => a.text()).then(t => draw({title: t, text: [t]}))",
    "fetch('/redirect').then(a => a.text()).then(t => draw({title: t, text: [t]}))",
    "new WebSocket('ws://127.0.0.1:PORT/inside')",
    "navigator.sendBeacon('http://127.0.0.1:PORT/inside', 'x')",
    "navigator.serviceWorker && navigator.serviceWorker.register('http://127.0.0.1:PORT/inside')",
    "location = 'http://127.0.0.1:PORT/inside'",
    "location = 'file:///etc/passwd'",
    "location = 'chrome://version'",
    "window.open('http://127.0.0.1:PORT/inside')",
    "document.body.innerHTML += '<iframe src=http://127.0.0.1:PORT/inside></iframe><img src=http://127.0.0.1:PORT/inside>'",
    "document.body.innerHTML += '<iframe src=file:///etc/passwd></iframe>'",
    "document.head.innerHTML += '<link rel=preconnect href=http://127.0.0.1:PORT><link rel=prefetch href=http://127.0.0.1:PORT/inside>'",
    "const a = document.createElement('a'); a.href = 'http://127.0.0.1:PORT/inside'; a.download = 'x'; a.click()",
    "new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:PORT'}]}).createDataChannel('x')",
    "new EventSource('http://127.0.0.1:PORT/inside')",
    "new Worker(URL.createObjectURL(new Blob([`fetch('http://127.0.0.1:PORT/inside')`])))",
)


@needs_browser
def test_a_script_reaches_nothing_private(world: LocalServer, tmp_path: Path) -> None:
    """`spa.example` alone is let through; the server's other names lead to a private address."""
    world.route("spa.example", "/redirect", status=302, headers={"location": f"http://127.0.0.1:{world.port}/inside"})
    world.route("127.0.0.1", "/inside", body="secrets of this network " * 20)

    async def drawn(script: str, web: Web) -> str:
        body = SHELL.format(DRAW + script.replace("PORT", str(world.port))).encode()
        return (await web.drawn(Page("http://spa.example/evil", 200, {"content-type": "text/html"}, now(), body))).text

    async def run() -> None:
        async with Web(Settings(home=tmp_path, delay=0, retries=0, timeout=15)) as web:
            for script in ESCAPES:
                text = await drawn(script, web)
                assert "secrets of this network" not in text, script
                assert "root:x:" not in text, script
                assert not world.requests, script

    asyncio.run(run())


@needs_browser
def test_pictures_styles_and_frames_are_not_loaded(collect: Collect, world: LocalServer) -> None:
    extras = "<img src=/a.png><link rel=stylesheet href=/a.css><iframe src=/frame></iframe><video src=/a.mp4></video>"
    world.route("spa.example", "/bread", body=FETCHED.replace("<div", extras + "<div"))
    assert collect()[0].status == "new"
    assert asked(world) == ["/bread", "/story.json"]


@needs_browser
@pytest.mark.parametrize("script", ["while (true) {}", "setInterval(() => fetch('/story.json'), 5)", "alert(1)"])
def test_a_page_that_never_comes_to_rest_ends_in_time(script: str, collect: Collect, world: LocalServer) -> None:
    world.route("spa.example", "/bread", body=SHELL.format(script))
    outcome, _ = collect(timeout=4)
    assert outcome.reason in (Reason.TIMEOUT, Reason.EMPTY)
    assert outcome.seconds < 25


@needs_browser
def test_a_page_that_fills_the_memory_fails_alone(collect: Collect, world: LocalServer) -> None:
    world.route(
        "spa.example", "/bread", body=SHELL.format("const a = []; while (true) a.push('x'.repeat(1e6) + a.length)")
    )
    outcome, _ = collect(timeout=10)
    assert outcome.reason in (Reason.TIMEOUT, Reason.EMPTY)


@needs_browser
def test_robots_and_size_hold_for_what_is_drawn(collect: Collect, world: LocalServer) -> None:
    world.route("spa.example", "/robots.txt", body="User-agent: *\nDisallow: /bread\n", content_type="text/plain")
    assert collect()[0].reason is Reason.ROBOTS
    world.route("spa.example", "/robots.txt", status=404)
    world.route("spa.example", "/bread", body=SHELL.format("document.write('<p>' + 'word '.repeat(100000))"))
    assert collect(max_page_bytes=100_000)[0].reason is Reason.TOO_LARGE


@needs_browser
def test_nothing_of_the_browser_is_left(collect: Collect, tmp_path: Path, world: LocalServer) -> None:
    def processes() -> dict[str, str]:
        """Every process with its parent."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                found[stat.parent.name] = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1]
        return found

    def ours() -> set[str]:
        """Those that this one started, and those that they did."""
        parents, found = processes(), {str(os.getpid())}
        while more := {child for child, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {str(os.getpid())}

    before, during = ours(), set[str]()

    def answer(request: Request) -> Answer:
        during.update(ours() - before)
        return Answer(json.dumps(STORY), 200, {"content-type": "application/json"})

    world.route("spa.example", "/story.json", answer)
    assert collect()[0].status == "new"
    assert len(during) > 2
    for pid in during:
        with suppress(ProcessLookupError):  # it has ended already
            ended, _, _ = select.select([os.pidfd_open(int(pid))], [], [], 10)
            assert ended, f"process {pid} goes on"
