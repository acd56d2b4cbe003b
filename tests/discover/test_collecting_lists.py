"""Lists on their way into the warehouse, what is too old left out; and `twin discover` as a user sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Settings, Twin, cli
from llm_twin.documents import Author, Link
from llm_twin.errors import Reason
from server import LocalServer

HOME = "http://blog.example"
SINCE = datetime(2024, 5, 2, tzinfo=UTC)  # the pages are of the first and the second of May 2024


def urlset(**days: str) -> str:
    urls = "".join(f"<url><loc>{HOME}/{name}</loc><lastmod>{day}</lastmod></url>" for name, day in days.items())
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'


@pytest.fixture
def world() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.route("blog.example", "/", body="<html><body><h1>Blog</h1></body></html>")
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        server.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS, day=2))
        yield server


@pytest.fixture
def options(world: LocalServer, tmp_path: Path) -> dict[str, Any]:
    return {"home": tmp_path / "home", "resolve": world.resolve, "allow_private": True, "delay": 0.0, "retries": 0}


def outcomes(options: dict[str, Any], *links: Link) -> dict[str, tuple[str, Reason | None]]:
    with Twin(Settings.load(**options)) as twin:
        report = twin.collect_links(links)
        assert report.domains
        return {each.link.removeprefix(HOME): (each.status, each.reason) for each in report.outcomes}


def link(path: str, **more: Any) -> Link:
    return Link(url=f"{HOME}{path}", author=Author.named("Ada Example"), **more)


def test_items_that_their_list_dates_older_are_not_fetched(world: LocalServer, options: dict[str, Any]) -> None:
    body = urlset(bread="2024-05-01", sails="2024-05-02")
    world.route("blog.example", "/sitemap.xml", body=body, content_type="text/xml")
    found = outcomes(options, link("/", expand=10, since=SINCE))
    assert found == {"/": ("expanded", None), "/sails": ("new", None)}
    assert not world.asked("/bread")


def test_what_turns_out_older_once_it_is_fetched_is_skipped(world: LocalServer, options: dict[str, Any]) -> None:
    body = urlset(bread="2025-01-01", sails="2025-01-01")  # the days of the last change
    world.route("blog.example", "/sitemap.xml", body=body, content_type="text/xml")
    found = outcomes(options, link("/", expand=10, since=SINCE))
    assert found == {"/": ("expanded", None), "/sails": ("new", None), "/bread": ("skipped", Reason.OLDER)}
    with Twin(Settings.load(**options)) as twin:
        assert [document.title for document in twin.documents()] == ["Gybing a spinnaker"]


def test_a_link_by_itself_has_its_own_since(world: LocalServer, options: dict[str, Any]) -> None:
    found = outcomes(options, link("/bread", since=SINCE), link("/sails", since=SINCE))
    assert found == {"/bread": ("skipped", Reason.OLDER), "/sails": ("new", None)}


def test_what_has_no_date_is_taken(world: LocalServer, options: dict[str, Any]) -> None:
    undated = page("Rye", *BREAD).replace("2024-05-01T08:00:00Z", "")
    world.route("blog.example", "/rye", body=undated)
    assert outcomes(options, link("/rye", since=SINCE)) == {"/rye": ("new", None)}


def test_a_list_of_nothing_new_is_no_failure(world: LocalServer, options: dict[str, Any]) -> None:
    world.route("blog.example", "/sitemap.xml", body=urlset(bread="2024-05-01"), content_type="text/xml")
    assert outcomes(options, link("/", expand=10, since=SINCE)) == {"/": ("expanded", None)}


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def twin(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `twin …` and returns (exit code, stdout, stderr)."""
    for name, value in options.items():
        monkeypatch.setenv(f"TWIN_{name.upper()}", json.dumps(value) if isinstance(value, dict) else str(value))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twin", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def test_discover_lists_items_with_their_days_and_how_they_were_found(world: LocalServer, twin: Run) -> None:
    feed = f"<item><title>Sails</title><link>{HOME}/sails</link><pubDate>Thu, 02 May 2024 08:00:00 GMT</pubDate></item>"
    body = f'<rss version="2.0"><channel>{feed}</channel></rss>'
    world.route("blog.example", "/feed", body=body, content_type="text/xml")
    body = urlset(bread="2024-05-01", sails="2024-05-03", rye="some day")
    world.route("blog.example", "/sitemap.xml", body=body, content_type="text/xml")
    code, out, err = twin("discover", f"{HOME}/")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"2024-05-02  feed+sitemap  {HOME}/sails  Sails",
        f"2024-05-01  sitemap       {HOME}/bread  ",
        f"no date     sitemap       {HOME}/rye  ",
        "",
        "3 items: 1 feed+sitemap, 2 sitemap",
    ]
    code, out, _ = twin("discover", f"{HOME}/", "--json", "--since", "2024-05-02", "--limit", 2)
    item, _ = json.loads(out)["items"]
    assert item == {
        "link": f"{HOME}/sails",
        "published_at": "2024-05-02T08:00:00Z",
        "updated_at": "2024-05-03T00:00:00Z",
        "title": "Sails",
        "source": "feed+sitemap",
        "listed_in": f"{HOME}/feed",
    }


def test_discover_of_a_page_that_is_no_list_finds_the_page_itself(twin: Run) -> None:
    code, out, _ = twin("discover", f"{HOME}/bread")
    assert (code, out.splitlines()[0].split()) == (0, ["no", "date", "itself", f"{HOME}/bread"])


def test_discover_of_nothing_is_one_line_and_exit_code_1(twin: Run) -> None:
    code, out, err = twin("discover", f"{HOME}/missing")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "not_found" in err


def test_collect_takes_since(twin: Run) -> None:
    words = ("collect", "--author", "Ada Example", f"{HOME}/bread", f"{HOME}/sails", "--since", "2024-05-02")
    code, out, _ = twin(*words)
    assert code == 0
    assert "skipped" in out
    assert "older of 2024-05-01, before 2024-05-02" in out
    code, _, err = twin(*words[:-1], "soon")
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_run_takes_since(twin: Run, tmp_path: Path) -> None:
    run_file = tmp_path / "ada.yaml"
    run_file.write_text(f"authors:\n  - name: Ada Example\n    links: [{HOME}/bread, {HOME}/sails]\n")
    code, out, _ = twin("run", run_file, "--since", "2024-05-02", "--json")
    assert code == 0
    assert json.loads(out)["collect"]["counts"] == {"skipped": 1, "new": 1}
