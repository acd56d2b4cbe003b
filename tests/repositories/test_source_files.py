"""Single rules: decoding, licences, languages, trees, and which links are repositories."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_twin.collect.crawlers import crawler_for
from llm_twin.collect.repositories.languages import language_of
from llm_twin.collect.repositories.licences import licence_of
from llm_twin.collect.repositories.source_files import decode
from llm_twin.collect.repositories.tree import tree

MARKS = [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"]


@settings(deadline=None)
@given(data=st.binary() | st.builds(bytes.__add__, st.sampled_from(MARKS), st.binary()))
def test_decoded_text_holds_every_byte_of_a_file_but_its_mark(data: bytes) -> None:
    decoded = decode(data)
    if decoded is not None:
        text, encoding = decoded
        assert "\0" not in text
        assert data in {mark + text.encode(encoding) for mark in MARKS}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("# Größe und Maß\nx = 1\n", "cp1252"),
        ("# naïve\n", "cp1252"),
        ("# これは日本語のコメントです。関数を定義します。\n", "shift_jis"),
        ("# 这是一个中文注释用来测试编码检测的效果。\n", "gb18030"),
        ("# Это комментарий на русском языке, для проверки\n", "koi8_r"),
        ("print(“hi”) … ok\n", "cp1252"),
    ],
)
def test_the_usual_encodings_of_old_are_told_apart(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize(
    ("path", "opening", "licence"),
    [
        (
            "LICENSE",
            "                 GNU GENERAL PUBLIC LICENSE\n                    Version 3, 29 June 2007\n",
            "GPL-3.0",
        ),
        ("COPYING", "GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3, 19 November 2007", "AGPL-3.0"),
        ("COPYING.LESSER", "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999", "LGPL-2.1"),
        (
            "LICENSE-APACHE",
            "Apache License\n   Version 2.0, January 2004\n http://www.apache.org/licenses/",
            "Apache-2.0",
        ),
        ("LICENCE.md", "Mozilla Public License Version 2.0\n====", "MPL-2.0"),
        ("UNLICENSE", "This is free and unencumbered software released into the public domain.", "Unlicense"),
        (
            "LICENSE",
            "Redistribution and use in source and binary forms are permitted. 3. Neither the name of",
            "BSD-3-Clause",
        ),
        ("LICENSE", "Redistribution and use in source and binary forms are permitted.", "BSD-2-Clause"),
        ("LICENSE", "All rights reserved, for ever.", None),
        ("licenser.txt", "Apache License Version 2.0", None),
        ("notes.txt", "Apache License Version 2.0", None),
    ],
)
def test_a_licence_is_known_by_how_it_opens(path: str, opening: str, licence: str | None) -> None:
    assert licence_of(path, opening) == licence


@pytest.mark.parametrize(
    ("path", "data", "language"),
    [
        ("a.h", b"", "C"),
        ("a.hpp", b"", "C++"),
        ("a.tsx", b"", "TypeScript"),
        ("a.pyi", b"", "Python"),
        ("CMakeLists.txt", b"", "CMake"),
        ("run", b"#!/usr/bin/env python3\n", "Python"),
        ("run", b"#!/bin/bash\n", "Shell"),
        ("build.zsh", b"", "Shell"),
        ("data.json", b"", "JSON"),
        ("what.xyz", b"", None),
    ],
)
def test_languages_are_named_as_people_name_them(path: str, data: bytes, language: str | None) -> None:
    assert language_of(path, data) == language


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/ada/notes",
        "https://www.github.com/ada/notes/",
        "https://GitHub.com/ada/notes.git",
        "https://github.com/ada/notes/tree/main/src",
        "https://github.com/ada/notes/blob/main/src/app.py",
        "https://github.com/ada/.github",
        "https://gitlab.com/group/sub/deeper/tool",
        "https://gitlab.com/group/tool/-/tree/main/src",
        "https://codeberg.org/ada/notes",
        "https://codeberg.org/ada/notes/src/branch/main/a.py",
        "https://git.example.org/anything.git",
        "http://127.0.0.1:8000/ada/notes.git",
        "https://git.example.org/a.git?file=b.py",
    ],
)
def test_links_to_repositories_are_cloned(link: str) -> None:
    assert crawler_for(link)[0] == "repository"


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com.evil.org/ada/notes",
        "https://notgithub.com/ada/notes",
        "https://gist.github.com/ada/0123456789abcdef",
        "https://github.com/",
        "https://github.com/ada",
        "https://github.com/features/actions",
        "https://github.com/orgs/example/repositories",
        "https://github.com/topics/python",
        "https://github.com/ada/notes/issues/1",
        "https://github.com/ada/notes/pull/2",
        "https://github.com/ada/notes/wiki",
        "https://github.com/ada/notes/discussions",
        "https://github.com/ada/notes/releases/tag/v1",
        "https://github.com/ada/..",
        "https://gitlab.com/ada",
        "https://gitlab.com/explore/projects",
        "https://gitlab.com/group/tool/-/issues/3",
        "https://gitlab.com/group/tool/merge_requests/3",
        "https://codeberg.org/ada/notes/issues",
        "https://codeberg.org/explore/repos",
        "https://example.org/.git",
        "https://example.org/a.github",
        "https://example.org/?x=a.git",
    ],
)
def test_all_other_links_are_left_to_others(link: str) -> None:
    assert crawler_for(link)[0] != "repository"


def test_a_tree_shows_files_before_folders() -> None:
    assert tree(["b/c.py", "b/a/d.py", "a.py", "z.py"]).splitlines() == [
        "a.py",
        "z.py",
        "b/",
        "  c.py",
        "  a/",
        "    d.py",
    ]


@settings(deadline=None)
@given(
    paths=st.lists(st.lists(st.sampled_from(["a", "b", "c", "x\ny", "`"]), min_size=1, max_size=30), max_size=60),
    most=st.integers(1, 20),
)
def test_a_tree_never_grows_beyond_its_limit(paths: list[list[str]], most: int) -> None:
    lines = tree(map("/".join, paths), max_lines=most).splitlines()
    assert len(lines) <= most + 1
    assert all(line.isprintable() for line in lines)


def test_small_folders_are_opened_before_large_ones() -> None:
    paths = [f"{folder}/{number}.py" for folder, size in (("big", 9), ("small", 2)) for number in range(size)]
    assert tree(paths, max_lines=5).splitlines() == ["big/ (9 files)", "small/", "  0.py", "  1.py"]


def test_a_flat_folder_of_very_many_files_is_cut_with_a_count() -> None:
    lines = tree((f"{number:06}.py" for number in range(100_000)), max_lines=10).splitlines()
    assert lines[9:] == ["000009.py", "… and 99,990 more"]
