"""A post that was collected from the web and stands in an archive is one document, whichever came first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from archive_samples import LINKEDIN_PAGE, MEDIUM_POST, Files, as_zip, wxr, wxr_item
from llm_twin import Settings, Twin
from server import LocalServer

PAGES = Path(__file__).parents[1] / "sites"
MAREN = "Maren Okonkwo-Lindqvist"
TALE = "https://greenhouse-logbook.example/2024/08/soil-sensors-that-lie/"


@dataclass(frozen=True)
class Case:
    """A page that is collected, and an archive with the same post."""

    page: str
    link: str
    files: Files
    site: str = ""


def medium(link: str) -> Files:
    return {"posts/2025-03-30_A-valve.html": MEDIUM_POST.replace("https://medium.com/@ada/bread-0123456789ab", link)}


def substack(slug: str, moment: str) -> Files:
    row = f"101.{slug},{moment},true,newsletter,everyone,A title\n"
    return {
        "posts.csv": "post_id,post_date,is_published,type,audience,title\n" + row,
        f"posts/101.{slug}.html": "<p>Of wheat.</p>",
    }


STORY = "https://medium.com/@maren/a-valve-that-asks-twice-3f9a1c5b7d2e"
CASES = {
    "medium": Case("medium/story", STORY, medium(STORY)),
    "medium, under another title then": Case("medium/story", STORY, medium("https://medium.com/p/3f9a1c5b7d2e")),
    "medium, moved to a domain of its own": Case(
        "medium/response_on_own_domain",
        "https://stories.small-machines.example/you-are-right-about-the-clock-9e8d7c6b5a41",
        medium("https://medium.com/@maren/you-are-right-9e8d7c6b5a41"),
    ),
    "substack": Case(
        "substack/free_post",
        "https://glasshouse.substack.com/p/the-cheapest-instrument",
        substack("the-cheapest-instrument", "2025-05-11T06:00:33.704Z"),
        "https://glasshouse.substack.com",
    ),
    "substack, moved to a domain of its own": Case(
        "substack/post_on_own_domain",
        "https://www.glasshouse-letters.example/p/when-to-stop-measuring",
        substack("when-to-stop-measuring", "2025-06-22T05:30:00.000Z"),
        "https://glasshouse.substack.com",
    ),
    "linkedin article": Case(
        "linkedin/article",
        "https://www.linkedin.com/pulse/how-gears-add-maren-okonkwo-lindqvist",
        {
            "Articles/Articles/gears.html": "<h1><a href='https://www.linkedin.com/pulse/how-gears-add-maren-okonkwo-"
            "lindqvist?trackingId=x'>How gears add</a></h1><p>Published on 2025-03-04 09:00</p><p>They add.</p>"
        },
    ),
    "wordpress": Case("article/blog_post", TALE, {"a.xml": wxr(wxr_item(TALE, "publish", "post", "Sensors."))}),
    "wordpress, before the site moved to https": Case(
        "article/blog_post",
        TALE,
        {"a.xml": wxr(wxr_item(TALE.replace("https", "http"), "publish", "post", "Sensors."))},
    ),
    "notes": Case("article/blog_post", TALE, {"a.md": f"---\nlink: {TALE}?utm_source=vault\n---\nSensors.\n"}),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with LocalServer(tls=True) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        yield running


@pytest.mark.parametrize("name", CASES)
def test_collected_then_imported_then_collected_is_one_document(tmp_path: Path, server: LocalServer, name: str) -> None:
    case = CASES[name]
    parts = urlsplit(case.link)
    server.route(str(parts.hostname), parts.path, body=(PAGES / f"{case.page}.html").read_bytes())
    options = {"resolve": server.resolve, "allow_private": True, "delay": 0.0}
    archive = as_zip(tmp_path / "archive.zip", case.files)

    with Twin(Settings.load(home=tmp_path / "web first", **options)) as twin:
        assert twin.collect(MAREN, [case.link]).counts == {"new": 1}
        (collected,) = twin.documents()
        report = twin.import_archive(archive, MAREN, site=case.site)
        assert [(outcome.status, outcome.reason) for outcome in report.outcomes] == [("skipped", "duplicate")]
        assert list(twin.documents()) == [collected]

    with Twin(Settings.load(home=tmp_path / "archive first", **options)) as twin:
        assert twin.import_archive(archive, MAREN, site=case.site).counts == {"new": 1}
        twin.collect(MAREN, [case.link])
        (document,) = twin.documents()
        assert (document.link, document.text) == (collected.link, collected.text)
        assert twin.import_archive(archive, MAREN, site=case.site).counts == {"skipped": 1}
        assert twin.collect(MAREN, [case.link]).counts == {"unchanged": 1}
        assert [each.id for each in twin.documents()] == [collected.id]


def test_a_story_of_mediums_export_has_the_text_of_its_page(tmp_path: Path) -> None:
    """Of the paragraphs that its sample has: pictures have other addresses there, and embedded code is a link."""
    page = json.loads((PAGES / "medium" / "story.json").read_text("utf-8"))["document"]
    files = {"posts/a-3f9a1c5b7d2e.html": (PAGES.parent / "archives" / "medium_story.html").read_text("utf-8")}
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(as_zip(tmp_path / "a.zip", files), MAREN)
        (document,) = twin.documents()
    assert (document.link, document.kind, document.title) == (page["link"], page["kind"], page["title"])
    blocks = document.text.split("\n\n")
    page_blocks = page["text"].replace("(<", "(").replace(")>", ")").split("\n\n")
    assert [block for block in page_blocks if block in blocks] == blocks


def test_a_response_of_mediums_export_is_a_post_as_the_one_of_its_page(tmp_path: Path) -> None:
    title = "I agree, bread is best."
    text = f'<article class="h-entry"><h1 class="p-name">{title[:15]}…</h1><section data-field="body"><p class="graf">'
    files = {"posts/a-0123456789ab.html": f"{text}{title} Really.</p></section></article>"}
    files["posts/b-0123456789ac.html"] = f"{text}A title.</p></section></article>".replace(title[:15], "Other")
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(as_zip(tmp_path / "a.zip", files), MAREN)
        assert {document.link[-1]: document.kind for document in twin.documents()} == {"b": "post", "c": "article"}


def test_a_post_of_linkedins_export_is_the_one_of_its_activity_page(tmp_path: Path) -> None:
    """The page of the sample does not say which share its activity is of."""
    share = f"urn%3Ali%3Ashare%3A{7100000000000000000 - (400 << 22)}"
    row = f'2023-08-24,https://www.linkedin.com/feed/update/{share},"Gears *turn*.""\n""Always."\n'
    export = as_zip(tmp_path / "export.zip", {"Shares.csv": "Date,ShareLink,ShareCommentary\n" + row})
    page = as_zip(tmp_path / "page.zip", LINKEDIN_PAGE.files)
    for home, (first, second) in {"one": (export, page), "other": (page, export)}.items():
        with Twin(home=tmp_path / home) as twin:
            assert twin.import_archive(first, "Ada Example").counts == {"new": 1}
            (before,) = twin.documents()
            twin.import_archive(second, "Ada Example")
            (after,) = twin.documents()
            assert (after.id, after.link, after.text) == (before.id, before.link, before.text)


def test_a_story_that_has_moved_since_the_last_export_is_updated(tmp_path: Path) -> None:
    before = as_zip(tmp_path / "before.zip", medium("https://medium.com/@ada/bread-0123456789ab"))
    moved = medium("https://medium.com/the-oven/bread-0123456789ab")
    after = as_zip(tmp_path / "after.zip", {name: str(page).replace("Flour", "Rye") for name, page in moved.items()})
    with Twin(home=tmp_path / "home") as twin:
        twin.import_archive(before, MAREN)
        assert twin.import_archive(after, MAREN).counts == {"updated": 1}
        assert twin.import_archive(after, MAREN).counts == {"unchanged": 1}
        assert [document.text.partition(" ")[0] for document in twin.documents()] == ["Rye"]


def test_posts_that_begin_alike_within_minutes_are_two(tmp_path: Path) -> None:
    def shares(*posts: tuple[int, str, str]) -> Path:
        rows = (
            f"2023-08-24,https://www.linkedin.com/feed/update/urn%3Ali%3A{kind}%3A{7100000000000000000 + (ms << 22)},"
            f'"Hiring!\n{text}"\n'
            for ms, kind, text in posts
        )
        return as_zip(tmp_path / "export.zip", {"Shares.csv": "Date,ShareLink,ShareCommentary\n" + "".join(rows)})

    page = LINKEDIN_PAGE.files
    with Twin(home=tmp_path / "home") as twin:
        three = shares((0, "share", "A baker."), (300_000, "share", "A miller."), (301_000, "ugcPost", "A gardener."))
        assert twin.import_archive(three, "Ada Example").counts == {"new": 3}
        assert twin.import_archive(three, "Ada Example").counts == {"unchanged": 3}

    with Twin(home=tmp_path / "page") as twin:
        other = as_zip(tmp_path / "page.zip", page)
        before = f"urn%3Ali%3Ashare%3A{7100000000000000000 - (300_000 << 22)}"
        row = f'2023-08-24,https://www.linkedin.com/feed/update/{before},"Gears *turn*.\nNever."\n'
        shared = as_zip(tmp_path / "share.zip", {"Shares.csv": "Date,ShareLink,ShareCommentary\n" + row})
        for archive in (shared, other, shared, other):
            twin.import_archive(archive, "Ada Example")
        assert sorted(document.text.split()[-1] for document in twin.documents()) == ["Always.", "Never."]
