"""Run files: ours, the handbook's, and what a mistake in one gets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_twin.errors import ConfigError
from llm_twin.runfile import read_run_file

HANDBOOK = Path(__file__).parents[2].parent / "shared/data/handbook"


def test_authors_with_aliases_plain_links_and_lists_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "authors:\n  - name: Ada  Example\n    aliases: [ada]\n    links:\n      - https://a.example/1\n"
        "      - {link: https://a.example/feed, expand: 5}\n  - name: Ben\n    links: [https://b.example/]\n"
    )
    links = read_run_file(path)
    assert [(link.author.name, link.author.aliases, link.url, link.expand) for link in links] == [
        ("Ada Example", ("ada",), "https://a.example/1", 0),
        ("Ada Example", ("ada",), "https://a.example/feed", 5),
        ("Ben", (), "https://b.example/", 0),
    ]


def test_since_counts_for_a_link_its_author_or_the_file_the_nearest_first_and_an_option_before_all(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "since: 2020-01-01\nauthors:\n  - name: Ada\n    since: 2021-01-01\n    links:\n      - https://a.example/1\n"
        "      - {link: https://a.example/feed, expand: 5, since: 2022-01-01T10:00:00+02:00}\n"
        "  - name: Ben\n    links: [https://b.example/]\n"
    )
    assert [link.since for link in read_run_file(path)] == [
        datetime(2021, 1, 1, tzinfo=UTC),
        datetime(2022, 1, 1, 8, tzinfo=UTC),
        datetime(2020, 1, 1, tzinfo=UTC),
    ]
    latest = datetime(2023, 1, 1, tzinfo=UTC)
    assert {link.since for link in read_run_file(path, latest)} == {latest}


def test_a_zenml_run_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(
        "settings: {docker: {skip_build: true}}\nenable_cache: false\n"
        "parameters:\n  user_full_name: Ada Example\n  links: [https://a.example/1]\n"
    )
    (link,) = read_run_file(path)
    assert (link.author.name, link.url) == ("Ada Example", "https://a.example/1")


@pytest.mark.skipif(not HANDBOOK.is_dir(), reason="../shared is absent")
@pytest.mark.parametrize(("name", "count"), [("maxime_labonne", 26), ("paul_iusztin", 50)])
def test_the_handbooks_own_files_are_read_as_they_are(name: str, count: int) -> None:
    assert len(read_run_file(HANDBOOK / f"digital_data_etl_{name}.yaml")) == count


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("authors:\n  - nme: A\n    links: [http://x.y]\n", ":2: unknown key 'nme'; did you mean 'name'?"),
        ("autors: 1\n", ":1: unknown key 'autors'; did you mean 'authors'?"),
        ("authors:\n  - name: A\n    links:\n      - link: a\n        expnd: 3\n", ":5: unknown key 'expnd'; did you"),
        ("authors:\n  - name: ' '\n    links: [a]\n", ":2: authors.0.name: the author's name is empty"),
        ("authors:\n  - name: A\n", ":2: authors.0.links: is missing"),
        ("authors:\n  - name: A\n    links: http://a.b\n", ":3: authors.0.links: must be a list"),
        (
            "authors:\n  - name: A\n    links: [{link: a, expand: all}]\n",
            ":3: authors.0.links.0.expand: must be a whole",
        ),
        ("since: soon\nauthors:\n  - name: A\n    links: [a]\n", ":1: since: must be a date, like 2024-05-01"),
        ("parameters:\n  user_full_nam: A\n  links: [a]\n", ":2: unknown key 'user_full_nam'; did you mean 'user_full"),
        ("authors: [\n", ":2: no valid YAML"),
        ("", ":1: a run file starts with `authors:`"),
        ("- a\n", ":1: a run file starts with `authors:`"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_run_file(path)
    assert str(caught.value).startswith(f"{path}{says}")
    assert "\n" not in str(caught.value)
