"""Runs over one queue: several processes, pages that have not changed, and links that wait for others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Link, Settings, Twin
from llm_twin.collect import crawlers, extract
from llm_twin.collect.web import Web
from llm_twin.documents import Author, Document, Run, now
from llm_twin.warehouse.queue import Collector
from server import Answer, LocalServer, Request

ADA = Author.named("Ada Example")
LINKS = ["http://blog.example/bread", "http://blog.example/sails"]


def statuses(report: Any) -> list[str]:
    return [outcome.status for outcome in sorted(report.outcomes, key=lambda outcome: outcome.link)]


def with_validators(world: LocalServer, path: str, body: str) -> Counter[int]:
    """Serve a page with an ETag; counts the statuses that were answered."""
    answered: Counter[int] = Counter()

    def answer(request: Request) -> Answer:
        known = request.headers.get("if-none-match") == '"1"'
        answered[304 if known else 200] += 1
        return Answer(b"" if known else body, 304 if known else 200, {"content-type": "text/html", "etag": '"1"'})

    world.route("blog.example", path, answer)
    return answered


@pytest.fixture(params=["sqlite", "mongodb"])
def twin(request: pytest.FixtureRequest, options: dict[str, Any]) -> Any:
    """A twin on either warehouse."""
    if request.param == "mongodb":
        options = options | {"warehouse": request.getfixturevalue("mongo_warehouse_address")}
    with Twin(Settings.load(**options)) as opened:
        yield opened


def test_an_unchanged_page_costs_one_304_and_no_extraction(twin: Twin, world: LocalServer) -> None:
    answered = with_validators(world, "/bread", page("How to bake sourdough", *BREAD))
    assert statuses(twin.collect(ADA, LINKS)) == ["new", "new"]
    (before, _) = twin.documents()
    report = twin.collect(ADA, LINKS)
    assert statuses(report) == ["unchanged", "unchanged"], "by its ETag, and by its body"
    assert answered == {200: 1, 304: 1}
    bread = next(outcome for outcome in report.outcomes if outcome.link == LINKS[0])
    assert (bread.title, bread.documents, bread.stored_as) == ("How to bake sourdough", 1, LINKS[0])
    assert next(iter(twin.documents())) == before
    assert statuses(twin.collect(ADA, LINKS, refresh=True)) == ["unchanged", "unchanged"]
    assert answered == {200: 2, 304: 1}


def test_a_page_is_read_again_by_a_new_extractor(
    twin: Twin, world: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = with_validators(world, "/bread", page("How to bake sourdough", *BREAD))
    twin.collect(ADA, LINKS[:1])
    monkeypatch.setattr(extract, "EXTRACTOR", "another")
    twin.collect(ADA, LINKS[:1])
    assert answered == {200: 2}
    twin.collect(ADA, LINKS[:1])
    assert answered == {200: 2, 304: 1}


def test_a_forgotten_page_is_collected_again(twin: Twin, world: LocalServer) -> None:
    answered = with_validators(world, "/bread", page("How to bake sourdough", *BREAD))
    twin.collect(ADA, LINKS[:1])
    twin.warehouse.delete([twin.document(LINKS[0]).id])
    assert statuses(twin.collect(ADA, LINKS[:1])) == ["new"]
    assert answered == {200: 2}


def test_a_changed_page_is_updated(twin: Twin, world: LocalServer) -> None:
    twin.collect(ADA, LINKS)
    world.route("blog.example", "/bread", body=page("How to bake sourdough", *SAILS))
    assert statuses(twin.collect(ADA, LINKS)) == ["updated", "unchanged"]
    assert twin.document(LINKS[0]).revision == 2


def test_a_run_with_the_same_links_helps_the_one_that_is_going_on(
    twin: Twin, world: LocalServer, options: dict[str, Any]
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(_: Request) -> Answer:
        asked.set()
        answer.wait(30)
        return Answer(page("At last", *BREAD), 200, {"content-type": "text/html"})

    hosts = ["slow.example", *(f"host{number}.example" for number in range(6))]
    world.route(hosts[0], "/1", slow)
    for host in hosts[1:]:
        world.route(host, "/1", body=page("Bread", *BREAD))
    links = [Link(url=f"http://{host}/1", author=ADA) for host in hosts]
    settings = twin.settings.model_copy(update={"resolve": world.resolve, "concurrency": 1})
    reports = []

    def work() -> None:
        with Twin(settings) as own:
            reports.append(own.collect_links(links))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert asked.wait(30)
    (run,) = twin.runs()
    assert run.state == "running"
    while sum(each.claimed + each.waiting for each in twin.warehouse.queue.backlog(run.id)) > 1:
        threads[0].join(0.05)  # the other one does the rest meanwhile, the domains that the first had claimed too
    assert len(twin.warehouse.outcomes(run.id)) == len(links) - 1
    answer.set()
    for thread in threads:
        thread.join(30)
    assert [report.run_id for report in reports] == [run.id, run.id]
    assert [report.counts for report in reports] == [{"new": len(links)}] * 2, "both report the whole run"
    assert Counter(request.host for request in world.requests if request.path == "/1") == dict.fromkeys(hosts, 1)
    assert [each.state for each in twin.runs()] == ["finished"]
    assert twin.warehouse.queue.backlog(run.id) == []


def test_another_run_gets_its_turn_on_a_host_that_has_many_links(twin: Twin, world: LocalServer) -> None:
    ended: list[str] = []

    def answer(request: Request) -> Answer:
        ended.append(request.path)
        return Answer(page("Bread", *BREAD), 200, {"content-type": "text/html"})

    world.route("blog.example", "/many/*", answer)
    world.route("blog.example", "/one", answer)
    ben = Author.named("Ben Example")
    first_asked = threading.Event()
    many = [Link(url=f"http://blog.example/many/{number}", author=ADA) for number in range(40)]
    world.route("blog.example", "/many/0", lambda request: (first_asked.set(), answer(request))[1])
    settings = twin.settings.model_copy(update={"delay": 0.1})

    def work() -> None:
        with Twin(settings) as own:
            own.collect_links(many)

    thread = threading.Thread(target=work)
    thread.start()
    assert first_asked.wait(30)
    report = twin.collect(ben, ["http://blog.example/one"])
    assert report.counts == {"new": 1}
    assert len(ended) < 41, "before the other run was through"
    thread.join(60)
    assert len(ended) == 41
    assert all(run.state == "finished" for run in twin.runs())


def test_a_lone_slow_host_does_not_hold_up_the_others(twin: Twin, world: LocalServer) -> None:
    answer = threading.Event()
    rest: list[str] = []

    def slow(_: Request) -> Answer:
        answer.wait(30)
        return Answer(page("At last", *BREAD), 200, {"content-type": "text/html"})

    def quick(request: Request) -> Answer:
        rest.append(request.host)
        if len(rest) == 12:
            answer.set()
        return Answer(page("Bread", *BREAD), 200, {"content-type": "text/html"})

    world.route("slow.example", "/*", slow)
    links = [Link(url=f"http://slow.example/{number}", author=ADA) for number in range(8)]
    for number in range(12):
        world.route(f"host{number}.example", "/1", quick)
        links.append(Link(url=f"http://host{number}.example/1", author=ADA))
    settings = twin.settings.model_copy(update={"resolve": world.resolve, "concurrency": 4})
    with Twin(settings) as own:
        assert own.collect_links(links).counts == {"new": 20}


def test_status_shows_the_queue_of_a_stopped_run_and_a_retry_takes_it_over(twin: Twin, options: dict[str, Any]) -> None:
    links = [Link(url=link, author=ADA) for link in LINKS]
    twin.warehouse.put_author(ADA)
    collector = Collector(run_id="stopped")
    run = Run(id="stopped", command="collect", key="key", started_at=now())
    twin.warehouse.queue.begin(run, links, collector)
    assert [each.state for each in twin.runs()] == ["running"]
    twin.warehouse.queue.leave(collector)
    assert [each.state for each in twin.runs()] == ["interrupted"]
    assert twin.retry_failed().counts == {"new": 2}
    assert twin.warehouse.queue.backlog("stopped") == []
    assert not twin.retry_failed().outcomes


def test_a_document_that_the_warehouse_does_not_take_fails_alone(
    twin: Twin, world: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crawl(link: Link, web: Web) -> AsyncIterator[Document]:
        await web.get(link.url)
        yield Document.of(
            link.author, link.url, kind="post", platform="odd", title="Odd", text="", metadata={"x": set()}
        )

    monkeypatch.setattr(crawlers, "_crawlers", [])
    crawlers.crawler("odd", "odd.example")(crawl)
    odd = world.route("odd.example", "/1", body="odd")
    with Twin(twin.settings.model_copy(update={"resolve": world.resolve})) as own:
        report = own.collect(ADA, [*LINKS, odd])
        assert statuses(report) == ["new", "new", "failed"]
        (failed,) = report.failed
        assert failed.reason == "bad_data"
        assert "can't be stored as JSON" in failed.detail
