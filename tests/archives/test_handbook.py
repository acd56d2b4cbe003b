"""The handbook's warehouse dump."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, page
from llm_twin import Settings, Twin
from llm_twin.collect.archives.handbook import read_dump
from llm_twin.errors import UsageError
from server import LocalServer

HANDBOOK = Path(__file__).parents[2].parent / "shared/data/handbook"
ARTICLE = {
    "content": {"Title": "Bread", "Subtitle": "A start", "Content": "Flour and water.", "language": "en"},
    "platform": "blog.example",
    "author_id": "u1",
    "author_full_name": "Ada Example",
    "link": "http://blog.example/bread?utm_source=x",
    "_id": "d1",
}
USER = {"_id": "u1", "first_name": "Ada", "last_name": "Example"}


def write(folder: Path, **files: Any) -> Path:
    for name, entries in files.items():
        (folder / f"{name}.json").write_text(json.dumps(entries))
    return folder


def test_articles_posts_and_repositories_become_documents(tmp_path: Path) -> None:
    post = {**ARTICLE, "content": {"post_0": "Hello", "post_1": "again"}, "link": "", "platform": "linkedin"}
    code = {**ARTICLE, "content": {"a.py": "x = 1"}, "name": "engine", "link": "https://github.com/ada/engine"}
    folder = write(
        tmp_path, UserDocument=[USER], ArticleDocument=[ARTICLE], PostDocument=[post], RepositoryDocument=[code]
    )
    authors, documents = read_dump(folder)
    assert [author.name for author in authors] == ["Ada Example"]
    article, post_document, repository = documents
    assert (article.title, article.text, article.link) == ("Bread", "Flour and water.", "http://blog.example/bread")
    assert article.metadata["subtitle"] == "A start"
    assert (post_document.kind, post_document.text) == ("post", "Hello\n\nagain")
    assert (repository.kind, repository.title) == ("repository", "engine")
    assert "x = 1" in repository.text


def test_a_dump_may_be_gzipped(tmp_path: Path) -> None:
    (tmp_path / "ArticleDocument.json.gz").write_bytes(gzip.compress(json.dumps([ARTICLE]).encode()))
    assert [document.title for document in read_dump(tmp_path)[1]] == ["Bread"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("ArticleDocument.json", b'[{"content"', "holds no valid JSON"),
        ("ArticleDocument.json", b"{}", "holds no JSON array"),
        ("ArticleDocument.json", b'["x"]', "entry 1 is no JSON object"),
        ("ArticleDocument.json", b'[{"platform": "x"}]', "entry 1 has no 'content'"),
        ("ArticleDocument.json", json.dumps([ARTICLE | {"link": "nolink"}]).encode(), "entry 1: 'nolink' is no link"),
        ("ArticleDocument.json.gz", b"\x1f\x8b\x08 cut", "is damaged or can't be read"),
        ("ArticleDocument.json", b'"\xff"', "holds no valid JSON"),
        ("Other.json", b"[]", "no ArticleDocument.json"),
    ],
)
def test_a_broken_dump_is_named_by_file_and_entry(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_dump(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_was_collected_from_the_web_is_not_overwritten_by_a_dump(tmp_path: Path) -> None:
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        settings = Settings.load(home=tmp_path / "home", resolve=server.resolve, allow_private=True, delay=0.0)
        with Twin(settings) as twin:
            twin.collect("Ada Example", ["http://blog.example/bread"])
            (tmp_path / "dump").mkdir()
            other = ARTICLE | {"link": "http://blog.example/other"}
            report = twin.import_archive(write(tmp_path / "dump", ArticleDocument=[ARTICLE, other]))
            assert report.counts == {"skipped": 1, "new": 1}
            assert twin.document("http://blog.example/bread").title == "How to bake sourdough"
            assert twin.import_archive(tmp_path / "dump").counts == {"skipped": 1, "unchanged": 1}


@pytest.mark.skipif(not HANDBOOK.is_dir(), reason="../shared is absent")
def test_the_handbooks_own_dump_is_read_whole() -> None:
    authors, documents = read_dump(HANDBOOK)
    assert {author.name for author in authors} == {"Maxime Labonne", "Paul Iusztin"}
    assert len(documents) == 76
    assert {document.platform for document in documents} == {"substack", "medium", "mlabonne.github.io"}
