"""Pages of LinkedIn that a browser saved, or that were kept because nothing could be made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import LINKEDIN, LINKEDIN_PAGE, Files, as_folder
from llm_twin import Twin
from llm_twin.documents import Report

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
