"""Pages of LinkedIn that a browser saved, or that were kept because nothing could be made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from archive_samples import LINKEDIN, LINKEDIN_PAGE, Files, as_folder
from llm_twin import Twin
from llm_twin.cli import cli
from llm_twin.documents import Report
from llm_twin.errors import UsageError

(ACTIVITY_PAGE,) = (str(page) for page in LINKEDIN_PAGE.files.values())
ACTIVITY = "urn:li:activity:7100000000000000000"
SHARE = "urn:li:share:7099999999999000000"
SAVED_FROM = "https://www.linkedin.com/in/ada-example/recent-activity/all/"


def saved(url: str, page: str = ACTIVITY_PAGE) -> str:
    assert SAVED_FROM in ACTIVITY_PAGE
    return page.replace(SAVED_FROM, url)


def imported(twin: Twin, folder: Path, files: Files) -> Report:
    return twin.import_archive(as_folder(folder, files), "Ada Example")


@pytest.mark.parametrize(
    ("url", "number"),
    [
        (f"https://www.linkedin.com/feed/update/{ACTIVITY}/", ACTIVITY),
        (f"https://de.linkedin.com/feed/update/{SHARE.replace(':', '%3A')}", SHARE),
        ("https://www.linkedin.com/posts/ada-example_gears-share-7099999999999000000-x1y2", SHARE),
    ],
)
def test_the_page_of_a_single_post_is_that_post(tmp_path: Path, url: str, number: str) -> None:
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, tmp_path / "kept", {"linkedin-post.html": saved(url)})
        assert (report.counts, report.summary["left_out"]) == ({"new": 1}, {}), "what stands below it is of others"
        assert [document.link for document in twin.documents()] == [f"https://www.linkedin.com/feed/update/{number}/"]


@pytest.mark.parametrize(
    ("url", "body", "told"),
    [
        (
            f"https://www.linkedin.com/feed/update/{ACTIVITY}/",
            f"<p data-urn='{ACTIVITY}'>Gears turn each other so.</p>",
            "1 posts on it, and none could be read",
        ),
        (
            "https://www.linkedin.com/in/ada-example/recent-activity/articles/",
            "<main><div onclick='go(\"https://www.linkedin.com/pulse/gears\")'>Gears</div></main>",
            "no posts on it",
        ),
    ],
)
def test_a_kept_page_that_still_nobody_can_read_says_so(tmp_path: Path, url: str, body: str, told: str) -> None:
    page = f"<!DOCTYPE html>\n<!-- saved from url=({len(url):04d}){url} -->\n<body>{body}</body>"
    with Twin(home=tmp_path / "home") as twin:
        (outcome,) = imported(twin, tmp_path / "kept", {"linkedin-ada.html": page}).outcomes
        assert (outcome.status, outcome.reason) == ("failed", "layout_changed")
        assert outcome.detail.startswith(told)


def test_a_page_that_links_to_an_article_is_none_of_the_export(tmp_path: Path) -> None:
    page = "<html><body><h1>Links</h1><a href='https://www.linkedin.com/pulse/on-bread-ada'>On bread</a></body></html>"
    with Twin(home=tmp_path / "home") as twin:
        report = imported(twin, tmp_path / "export", {**LINKEDIN.files, "links.html": page})
        assert report.summary["left_out"] == {**LINKEDIN.left_out, "other file": 2}


SECOND = "urn:li:activity:7100000004194304000"  # made a second later


def post(urn: str, name: str, words: str) -> str:
    actor = f"<div class=update-components-actor__title>{name}</div>"
    return (
        f"<div data-urn='{urn}'><div class=update-components-actor>{actor}</div>"
        f"<div class=update-components-update-v2__commentary>{words}</div></div>"
    )


def kept(url: str, body: str) -> Files:
    return {"linkedin.html": f"<!DOCTYPE html>\n<!-- saved from url=({len(url):04d}){url} -->\n<body>{body}</body>"}


def test_of_a_saved_page_the_post_is_taken_that_it_is_of(tmp_path: Path) -> None:
    others = post(ACTIVITY, "Grace Hopper", "Bugs fly.") + post(SECOND, "Ada Example", "Gears turn.")
    link = "https://www.linkedin.com/feed/update/"
    with Twin(home=tmp_path / "home") as twin:
        assert imported(twin, tmp_path / "own", kept(f"{link}{SECOND}/", others)).counts == {"new": 1}
        assert [document.text for document in twin.documents()] == ["Gears turn."]
        (outcome,) = imported(twin, tmp_path / "hers", kept(f"{link}{ACTIVITY}/", others)).outcomes
        assert (outcome.status, outcome.reason) == ("skipped", "other_author")
        assert (
            outcome.detail
            == "it is by Grace Hopper, not by Ada Example; where that is one person: --alias 'Grace Hopper'"
        )
        gone = f"{link}urn:li:activity:7200000000000000000/"
        (outcome,) = imported(twin, tmp_path / "gone", kept(gone, others)).outcomes
        assert (outcome.status, outcome.reason) == ("failed", "not_found")


def article(handle: str, name: str) -> Files:
    said = "".join(f"<p>Gear {number} turns the one beside it, and the engine adds.</p>" for number in range(9))
    mentioned = "<p>Thanks to <a href='/in/charles'>Charles Babbage</a> for all of it.</p>"
    who = f"<header><a href='/in/{handle}/'><img alt=''></a><a href='/in/{handle}/'><h2>{name}</h2></a></header>"
    text = f"<main><article>{who}<h1>How gears add</h1>{mentioned}{said}</article></main>"
    return kept("https://www.linkedin.com/pulse/how-gears-add/?trackingId=x", text)


def test_a_saved_article_is_that_article(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        assert imported(twin, tmp_path / "own", article("countess", "Ada Example")).counts == {"new": 1}
        (document,) = twin.documents()
        assert (document.link, document.title) == ("https://www.linkedin.com/pulse/how-gears-add", "How gears add")
        assert "Gear 8" in document.text
        hers = as_folder(tmp_path / "hers", article("grace", "Grace Hopper"))
        (outcome,) = twin.import_archive(hers, "Ada Example").outcomes
        assert (outcome.status, outcome.reason) == ("skipped", "other_author")
    named = ["--author", "Ada Example", "--alias", "Grace Hopper", "--home", str(tmp_path / "home")]
    result = CliRunner().invoke(cli, ["import", str(hers), *named, "--json"])
    assert (result.exit_code, json.loads(result.stdout)["counts"]) == (0, {"unchanged": 1}), result.output


def test_pages_of_a_browser_that_notes_no_address_are_told_from_others(tmp_path: Path) -> None:
    body = "<title>Activity | Ada Example | LinkedIn</title><main><p>Gears</p></main>"
    with (
        Twin(home=tmp_path / "home") as twin,
        pytest.raises(UsageError, match="does not say where it was saved; Chrome"),
    ):
        imported(twin, tmp_path / "firefox", {"Activity.html": body})
    with Twin(home=tmp_path / "home") as twin:
        noted = f"<html><!--\n Page saved with SingleFile \n url: {SAVED_FROM} \n-->"
        page = ACTIVITY_PAGE[ACTIVITY_PAGE.index("<html>") :].replace("<html>", noted)
        assert imported(twin, tmp_path / "single", {"Activity.html": page}).counts == {"new": 1}
