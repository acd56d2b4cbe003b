"""The main job through the Python API: links in, passages out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Settings, Twin
from llm_twin.errors import Reason, UsageError
from server import Answer

ADA = "Ada Example"
LINKS = ["http://blog.example/bread", "http://blog.example/sails"]


def statuses(report: Any) -> dict[str, str]:
    return {outcome.link: outcome.status for outcome in report.outcomes}


def test_collected_and_indexed_articles_are_found_by_their_meaning(twin: Twin) -> None:
    assert statuses(twin.collect(ADA, LINKS)) == dict.fromkeys(LINKS, "new")
    assert twin.index().summary["documents"]["new"] == 2
    (hit, *_) = twin.search("how do I make my own bread at home", author=ADA)
    assert (hit.title, hit.link, hit.author) == ("How to bake sourdough", LINKS[0], ADA)
    assert hit.published_at and hit.published_at.date().isoformat() == "2024-05-01"
    assert "sourdough starter" in hit.passages[0].text
    assert "All rights reserved" not in "".join(passage.text for passage in hit.passages)


def test_a_second_run_changes_nothing(twin: Twin, contents: Any) -> None:
    twin.collect(ADA, LINKS)
    twin.index()
    before = contents(twin)
    assert statuses(twin.collect(ADA, LINKS)) == dict.fromkeys(LINKS, "unchanged")
    summary = twin.index().summary
    assert summary["documents"] == {"new": 0, "updated": 0, "failed": 0, "unchanged": 2, "removed": 0}
    assert summary["chunks_embedded"] == 0
    assert contents(twin) == before


def test_what_a_site_asks_of_robots_is_known_in_the_next_run(twin: Twin, world: Any, options: dict[str, Any]) -> None:
    rules = "User-agent: *\nDisallow: /private"
    world.route("blog.example", "/robots.txt", body=rules, content_type="text/plain")
    twin.collect(ADA, LINKS)
    private = world.route("blog.example", "/private", body=BREAD[0])
    with Twin(Settings.load(**options)) as later:
        (outcome,) = later.collect(ADA, [private]).outcomes
    assert outcome.reason is Reason.ROBOTS
    assert len(world.asked("/robots.txt")) == 1
    assert not world.asked("/private")


def test_an_updated_article_replaces_its_chunks(twin: Twin, world: Any) -> None:
    twin.collect(ADA, LINKS)
    twin.index()
    world.route("blog.example", "/bread", body=page("How to bake sourdough", *SAILS[:2], BREAD[0]))
    assert statuses(twin.collect(ADA, LINKS)) == {LINKS[0]: "updated", LINKS[1]: "unchanged"}
    assert twin.index().summary["documents"]["updated"] == 1
    document = twin.document(LINKS[0])
    assert document.revision == 2
    texts = [passage.text for hit in twin.search("closed cast-iron pot steam crust") for passage in hit.passages]
    assert not any("cast-iron" in text for text in texts)


def test_every_link_ends_in_one_outcome_with_its_reason(twin: Twin, world: Any) -> None:
    world.route("blog.example", "/robots.txt", body="User-agent: *\nDisallow: /private", content_type="text/plain")
    world.route("blog.example", "/broken", status=503, body="later")
    links = {
        "http://blog.example/bread": ("new", None),
        "http://blog.example/bread?utm_source=feed": ("skipped", Reason.DUPLICATE),
        "http://blog.example/nothing-here": ("failed", Reason.NOT_FOUND),
        "http://blog.example/private/diary": ("skipped", Reason.ROBOTS),
        "http://blog.example/broken": ("failed", Reason.SERVER_ERROR),
        "ftp://blog.example/file": ("failed", Reason.BAD_LINK),
        "blog.example/bread": ("failed", Reason.BAD_LINK),
    }
    report = twin.collect(ADA, links)
    assert {outcome.link: (outcome.status, outcome.reason) for outcome in report.outcomes} == links
    assert all(outcome.detail for outcome in report.outcomes if outcome.reason)
    assert report.domains["blog.example"].successful == 1
    assert twin.warehouse.count() == 1


def test_a_link_can_not_take_for_ever_and_holds_up_no_other(world: Any, options: dict[str, Any]) -> None:
    silent = world.route("silent.example", "/a", hang=True)
    for hop in range(12):
        world.route(
            "chain.example", f"/{hop}", lambda _, hop=hop: Answer(status=302, headers={"location": f"/{hop + 1}"})
        )
    missing = world.route("blog.example", "/missing", status=404)
    options |= {"resolve": world.resolve, "delay": 0.4, "retries": 10}
    with Twin(Settings.load(**options)) as twin:
        twin.collect(ADA, [missing])  # imports what takes long on a busy machine
    options["link_timeout"] = 1.5
    with Twin(Settings.load(**options)) as twin:
        report = twin.collect(ADA, [silent, "http://chain.example/0", missing])
    ends = {outcome.link: outcome.reason for outcome in report.outcomes}
    assert ends == {silent: Reason.TIMEOUT, "http://chain.example/0": Reason.TIMEOUT, missing: Reason.NOT_FOUND}
    late = [outcome for outcome in report.failed if outcome.link != missing]
    assert all("TWIN_LINK_TIMEOUT" in outcome.detail and outcome.transient for outcome in late)


def test_links_of_a_host_that_rests_end_without_being_asked_for_and_are_retried(twin: Twin, world: Any) -> None:
    busy = world.route("blog.example", "/0", lambda _: Answer(status=429, headers={"retry-after": "3600"}))
    links = [busy, *(world.route("blog.example", f"/{number}", status=404) for number in range(1, 12))]
    report = twin.collect(ADA, links)
    rested = [each for each in report.failed if each.reason is Reason.RATE_LIMITED]
    asked = [request for request in world.requests if request.path != "/robots.txt"]
    assert len(report.outcomes) == 12 == len(rested) - 1 + len(asked)
    assert len(asked) <= 3  # that were under way when the host asked to wait
    assert all(each.transient for each in rested)
    assert {each.link for each in rested} <= {each.link for each in twin.failures()}


def test_a_failed_link_alone_is_tried_again(twin: Twin, world: Any) -> None:
    world.route("blog.example", "/sails", status=500, body="oops")
    twin.collect(ADA, LINKS)
    world.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS))
    assert [outcome.link for outcome in twin.failures()] == [LINKS[1]]
    assert statuses(twin.retry_failed()) == {LINKS[1]: "new"}
    assert not twin.failures()
    assert not twin.retry_failed().outcomes


def test_the_same_link_of_two_authors_is_two_documents(twin: Twin) -> None:
    twin.collect(ADA, LINKS[:1])
    twin.collect("Ben Example", LINKS[:1])
    twin.index()
    assert twin.warehouse.count() == 2
    assert [hit.author for hit in twin.search("sourdough", author="Ben Example")] == ["Ben Example"]


def test_a_feed_stands_for_its_items(twin: Twin, world: Any) -> None:
    items = "".join(
        f"<item><title>{n}</title><link>{link}</link><pubDate>0{n} May 2024 08:00:00 GMT</pubDate></item>"
        for n, link in enumerate(LINKS, 1)
    )
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Blog</title>{items}</channel></rss>'
    world.route("blog.example", "/feed.xml", body=feed, content_type="application/rss+xml")
    report = twin.collect(ADA, ["http://blog.example/feed.xml"], expand=1)
    assert statuses(report) == {"http://blog.example/feed.xml": "expanded", LINKS[1]: "new"}, "the newest alone"
    assert report.outcomes[0].detail == "stands for 1 link"
    (outcome,) = twin.collect(ADA, ["http://blog.example/feed.xml"]).outcomes
    assert (outcome.reason, "--expand" in outcome.detail) == (Reason.LIST_PAGE, True)


def test_a_list_that_failed_is_expanded_when_it_is_tried_again(twin: Twin, world: Any) -> None:
    world.route("blog.example", "/sitemap.xml", status=503, body="")
    twin.collect(ADA, ["http://blog.example/sitemap.xml"], expand=5)
    entries = "".join(f"<url><loc>{link}</loc></url>" for link in LINKS)
    sitemap = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
    world.route("blog.example", "/sitemap.xml", body=sitemap, content_type="application/xml")
    assert statuses(twin.retry_failed()) == {"http://blog.example/sitemap.xml": "expanded"} | dict.fromkeys(
        LINKS, "new"
    )
    assert not twin.failures()


def test_forgetting_a_link_removes_it_everywhere(twin: Twin) -> None:
    twin.collect(ADA, LINKS)
    twin.index()
    assert twin.forget_link(LINKS[0]) == 1
    assert [document.link for document in twin.documents()] == [LINKS[1]]
    assert {hit.link for hit in twin.search("sourdough bread")} <= {LINKS[1]}
    with pytest.raises(UsageError, match="no document"):
        twin.forget_link(LINKS[0])


def test_a_document_is_known_by_the_link_that_was_given_too(twin: Twin, world: Any) -> None:
    named = '<link rel="canonical" href="http://blog.example/bread"></head>'
    world.route("blog.example", "/old", body=page("How to bake sourdough", *BREAD).replace("</head>", named))
    twin.collect(ADA, ["http://blog.example/old?utm_source=mail"])
    assert twin.document("http://blog.example/old").link == LINKS[0]
    assert twin.forget_link("http://blog.example/old") == 1
    assert not twin.warehouse.count()


def test_forgetting_an_author_removes_documents_index_and_history(twin: Twin, world: Any) -> None:
    world.route("blog.example", "/gone", status=410, body="")
    twin.collect(ADA, [*LINKS, "http://blog.example/gone"])
    twin.collect("Ben Example", LINKS[:1])
    twin.index()
    assert twin.forget_author("ada example") == 2
    assert [author.name for author in twin.authors()] == ["Ben Example"]
    assert {hit.author for hit in twin.search("sourdough bread")} == {"Ben Example"}
    assert not twin.failures(), "a forgotten author's links are not retried"


def test_an_unknown_author_is_named_with_the_closest_one(twin: Twin) -> None:
    twin.collect(ADA, LINKS[:1])
    with pytest.raises(UsageError, match="did you mean 'Ada Example'"):
        twin.search("bread", author="Ada Exampel")


def test_a_deleted_document_leaves_the_index_with_the_next_run(twin: Twin) -> None:
    twin.collect(ADA, LINKS)
    twin.index()
    twin.warehouse.delete([twin.document(LINKS[0]).id])
    assert twin.index().summary["documents"]["removed"] == 1
    assert len(twin.vectors.ledger()) == 1


def test_a_home_moved_elsewhere_is_the_same_corpus(twin: Twin, options: dict[str, Any], tmp_path: Path) -> None:
    twin.collect(ADA, LINKS)
    twin.index()
    twin.close()
    moved = tmp_path / "moved"
    Path(options["home"]).rename(moved)
    with Twin(Settings.load(**options | {"home": moved})) as again:
        assert again.index().summary["documents"]["unchanged"] == 2
        assert again.search("spinnaker")[0].link == LINKS[1]
