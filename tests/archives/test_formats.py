"""The contract of every archive format, over one small archive of each."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from archive_samples import (
    LINKEDIN,
    MEDIUM,
    MEDIUM_POST,
    NOTION,
    SAMPLES,
    SUBSTACK,
    X,
    as_folder,
    as_zip,
    script,
    tweet,
)
from blog import BREAD, page
from llm_twin import Settings, Twin
from llm_twin.cli import cli
from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import Broken, Item, Left, Wanted, format_of, formats, items_of
from llm_twin.collect.archives.linkedin import post_link, published
from llm_twin.documents import Author, Document
from llm_twin.errors import UsageError
from server import LocalServer

ADA = Author.named("Ada Example")
EVERY = sorted(SAMPLES)


def read(path: Path, *, drafts: bool = False, site: str = "") -> list[Item]:
    with Archive(path) as archive:
        return list(items_of(archive, format_of(archive), Wanted(ADA, drafts, site)))


def documents_in(items: list[Item]) -> list[Document]:
    return [item for item in items if isinstance(item, Document)]


def left_out(items: list[Item]) -> dict[str, int]:
    return dict(Counter(item.why for item in items if isinstance(item, Left)))


def test_every_format_has_a_sample() -> None:
    assert {found.name for found in formats()} == set(SAMPLES)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_an_archive_is_recognised_and_read_whole(tmp_path: Path, name: str, packed: bool) -> None:
    sample = SAMPLES[name]
    path = as_zip(tmp_path / "archive.bin", sample.files) if packed else as_folder(tmp_path / "archive", sample.files)
    with Archive(path) as archive:
        assert format_of(archive).name == name
    items = read(path)
    assert not [item for item in items if isinstance(item, Broken)]
    found = documents_in(items)
    comments = iter(range(1, 9))
    links = [re.sub(r"comment=\w+", lambda _: f"comment=*{next(comments)}", document.link) for document in found]
    assert {link: (document.title, document.text) for link, document in zip(links, found, strict=True)} == dict(
        sample.documents
    )
    assert left_out(items) == dict(sample.left_out)
    assert all(document.id == Document.of(ADA, document.link, **FIELDS).id for document in found)


FIELDS = {"kind": "post", "platform": "", "title": "", "text": ""}


@pytest.mark.parametrize("name", EVERY)
def test_importing_twice_changes_nothing(tmp_path: Path, name: str) -> None:
    path = as_zip(tmp_path / "archive.zip", SAMPLES[name].files)
    with Twin(home=tmp_path / "home") as twin:
        first = twin.import_archive(path, "Ada Example")
        assert first.counts == {"new": len(SAMPLES[name].documents)}
        assert first.summary == {"format": name, "left_out": SAMPLES[name].left_out}
        assert twin.import_archive(path, "Ada Example").counts == {"unchanged": len(SAMPLES[name].documents)}


@pytest.mark.parametrize(
    ("sample", "link"),
    [(MEDIUM, "https://medium.com/@ada/rye-ba9876543210"), (SUBSTACK, "https://ada.substack.com/p/rye")],
)
def test_drafts_are_taken_when_they_are_wanted(tmp_path: Path, sample: object, link: str) -> None:
    files = dict(getattr(sample, "files"))  # noqa: B009
    if "posts/draft_Rye-ba9876543210.html" in files:
        files["posts/draft_Rye-ba9876543210.html"] = MEDIUM_POST.replace("Bread", "Rye").replace(
            "bread-0123456789ab", "rye-ba9876543210"
        )
    found = documents_in(read(as_zip(tmp_path / "a.zip", files), drafts=True))
    assert {document.link for document in found if document.metadata.get("draft")} == {link}


def test_a_post_that_was_collected_from_the_web_stays_and_is_one_document(tmp_path: Path) -> None:
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        settings = Settings.load(home=tmp_path / "home", resolve=server.resolve, allow_private=True, delay=0.0)
        note = "---\nlink: http://blog.example/bread?utm_source=vault\n---\nAn older version.\n"
        with Twin(settings) as twin:
            twin.collect("Ada Example", ["http://blog.example/bread"])
            (tmp_path / "note.md").write_text(note)
            report = twin.import_archive(tmp_path / "note.md", "Ada Example")
            assert [(outcome.status, outcome.reason) for outcome in report.outcomes] == [("skipped", "duplicate")]
            assert [document.title for document in twin.documents()] == ["How to bake sourdough"]


@pytest.mark.parametrize(
    "site", ["https://u:secret@x.example/", "u.v:secret@x.example", "https://u:a/secret@x.example"]
)
def test_a_password_in_a_site_is_not_shown(tmp_path: Path, site: str) -> None:
    notes = as_folder(tmp_path / "vault", {"a.md": "Flour."})
    with Twin(home=tmp_path / "home") as twin:
        with pytest.raises(UsageError, match="no password in it") as error:
            twin.import_archive(notes, "Ada Example", site=site)
        assert "secret" not in str(error.value)
        with pytest.raises(UsageError, match="--site x.example: no scheme; did you mean https://x.example"):
            twin.import_archive(notes, "Ada Example", site="x.example")


def test_the_date_of_a_linkedin_post_is_that_of_its_urn() -> None:
    for form in ("urn%3Ali%3Ashare%3A7191234567890123456", "urn:li:share:7191234567890123456"):
        found = published(f"https://www.linkedin.com/feed/update/{form}")
        assert found
        assert f"{found:%Y-%m-%d}" == "2024-05-01"
        assert post_link(form) == "https://www.linkedin.com/feed/update/urn:li:share:7191234567890123456/"
    assert published("https://www.linkedin.com/feed/") is None


def test_dates_tags_and_subtitles_come_along(tmp_path: Path) -> None:
    for name, files in (("m", MEDIUM.files), ("s", SUBSTACK.files), ("n", NOTION.files), ("x", X.files)):
        first = documents_in(read(as_zip(tmp_path / name, files)))[0]
        assert first.published_at
        assert f"{first.published_at:%Y-%m-%d}" == "2024-05-01", name
    (medium,) = documents_in(read(tmp_path / "m"))
    assert (medium.metadata["subtitle"], medium.metadata["tags"]) == ("A start", ["Baking"])
    thread = next(each for each in documents_in(read(tmp_path / "x")) if each.metadata.get("thread"))
    assert thread.metadata["thread"] == ["11", "12"]


def test_documents_have_the_language_of_their_text(tmp_path: Path) -> None:
    german = "Das Brot ist noch nicht fertig, und der Ofen wird für eine Stunde auf die höchste Stufe gestellt."
    english = "The bread is not done yet, and the oven will be kept at its highest setting for another hour."
    files = {"data/tweets.js": script("tweets", [tweet(1, german), tweet(2, english), tweet(3, "Ok")])}
    found = documents_in(read(as_zip(tmp_path / "a.zip", files)))
    assert [document.language for document in found] == ["de", "en", None]


def test_a_single_file_of_an_archive_will_do(tmp_path: Path) -> None:
    path = tmp_path / "anything"
    path.with_suffix(".csv").write_text(str(LINKEDIN.files["Shares_1234.csv"]))
    assert len(documents_in(read(path.with_suffix(".csv")))) == 1


def test_a_notion_export_in_parts_is_one_archive(tmp_path: Path) -> None:
    names = list(NOTION.files)
    parts = {}
    for number, half in enumerate((names[:1], names[1:]), 1):
        part = as_zip(tmp_path / "part.zip", {name: NOTION.files[name] for name in half})
        parts[f"Export-1234-Part-{number}.zip"] = part.read_bytes()
    assert len(documents_in(read(as_zip(tmp_path / "whole.zip", parts)))) == 2


def test_where_substack_posts_were_published_is_asked_for_when_nothing_says_it(tmp_path: Path) -> None:
    files = {"posts.csv": SUBSTACK.files["posts.csv"], "posts/101.bread.html": "<p>Flour.</p>"}
    path = as_zip(tmp_path / "a.zip", files)
    with pytest.raises(UsageError, match="give it as --site https://NAME.substack.com"):
        read(path)
    assert documents_in(read(path, site="https://bread.example"))[0].link == "https://bread.example/p/bread"
    named = as_zip(tmp_path / "b.zip", {**files, "email_list.ada.csv": "email\n"})
    assert documents_in(read(named))[0].link == "https://ada.substack.com/p/bread"


def test_an_archive_needs_an_author_and_what_is_none_is_told_so(tmp_path: Path) -> None:
    with Twin(home=tmp_path / "home") as twin:
        with pytest.raises(UsageError, match="which is an X .Twitter. archive. Give it as --author"):
            twin.import_archive(as_zip(tmp_path / "a.zip", X.files))
        with pytest.raises(UsageError, match="none of the archives that can be read: an export of ChatGPT, "):
            twin.import_archive(as_zip(tmp_path / "b.zip", {"a.bin": b"\0"}), "Ada Example")
        (tmp_path / "c.zip").write_text("<html><body>Sign in</body></html>")
        with pytest.raises(UsageError, match="c.zip is no zip, but perhaps a page that says why; download it again"):
            twin.import_archive(tmp_path / "c.zip", "Ada Example")
        with pytest.raises(UsageError, match="holds no files that can be read"):
            twin.import_archive(as_folder(tmp_path / "empty", {}), "Ada Example")


def test_secrets_in_an_archive_are_masked(tmp_path: Path) -> None:
    key = "AKIA" + "QX7ZJ4TLB2WNMRS5"
    (tmp_path / "note.md").write_text(f"My key is {key}, see.\n")
    with Twin(home=tmp_path / "home") as twin:
        report = twin.import_archive(tmp_path / "note.md", "Ada Example")
        (document,) = twin.documents()
        assert key not in document.text
        assert report.outcomes[0].secrets == 1


def test_the_command_says_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(as_zip(tmp_path / "x.zip", X.files))
    words = ["import", path, "--author", "Ada Example", "--home", str(tmp_path / "home"), "--quiet"]
    assert cli.main(words, standalone_mode=False) == 0
    out = capsys.readouterr().out
    assert "left out of the x archive: 2 other file, 1 repost, 1 long post without its post" in out
    assert cli.main([*words, "--json"], standalone_mode=False) == 0
    assert json.loads(capsys.readouterr().out)["summary"] == {"format": "x", "left_out": dict(X.left_out)}
