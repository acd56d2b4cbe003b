"""Every layout that a parser knows, as a page that was saved in a browser, and what it gives."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from played import Run

from llm_twin.collect.linkedin.posts import LAYOUTS
from llm_twin.collect.linkedin.single import refuse_others
from llm_twin.documents import Author
from llm_twin.errors import Permanent

PAGES = sorted((Path(__file__).parent / "pages").glob("*.html"))
KEPT = ("link", "kind", "platform", "title", "text", "published_at", "metadata")


def test_every_layout_has_a_page_and_a_date() -> None:
    assert [layout.version.split()[1][:4] for layout in LAYOUTS] == [page.stem for page in reversed(PAGES)]
    untils = [layout.until for layout in LAYOUTS]
    assert untils == sorted(untils, reverse=True)
    assert untils[0] > date(2026, 11, 1)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_saved_page_gives_what_was_recorded(page: Path, twin: Run) -> None:
    code, out, err = twin("import", page, "--author", "Ada Example", "--json", "--quiet")
    assert code == 0, err
    assert json.loads(out)["summary"]["left_out"] == {"repost": 1}
    twin("documents", "export", "all.jsonl")
    lines = Path("all.jsonl").read_text("utf-8").splitlines()
    found: list[dict[str, Any]] = [{name: json.loads(line)[name] for name in KEPT} for line in lines]
    found.sort(key=lambda each: str(each["published_at"]), reverse=True)
    recorded = page.with_suffix(".json")
    if os.environ.get("UPDATE_EXPECTED"):
        recorded.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert json.loads(recorded.read_text("utf-8")) == found
    assert {each["metadata"]["parser"][9:13] for each in found} == {page.stem}


@pytest.mark.parametrize(
    ("shown", "handle", "mine"),
    [
        ("Ada Example", "ada", True),
        ("Áda M. Example, PhD", "ada", True),
        ("A. Example", "x1", True),
        ("Augusta", "ada-example-12345", True),
        ("Countess of Lovelace", "countess", True),
        ("Ada Lovelace", "ada-l", False),
        ("Grace Example", "grace", False),
        ("Grace Hopper", "grace", False),
        ("Ада Пример", "x1", False),
    ],
)
def test_a_shown_name_is_compared_with_all_names_of_the_author(shown: str, handle: str, mine: bool) -> None:
    author = Author.named("Dr. Ada Example", ["countess lovelace"])
    with nullcontext() if mine else pytest.raises(Permanent, match="where that is one person: --alias "):
        refuse_others(author, shown, handle)
