"""What becomes of a repository's files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_twin.documents import Document

if TYPE_CHECKING:
    from conftest import Collect, GitHost

MIT = """MIT License

Copyright (c) 2024 Ada Example

Permission is hereby granted, free of charge, to any person obtaining a copy of this software, to deal in it without
restriction. The above copyright notice and this permission notice shall be included in all copies.
"""
RUSSIAN = "# Это комментарий на русском\n"
PYTHON = "def add(a, b):\n\treturn a + b  \n\n\n    # end\n"


def by_path(documents: list[Document]) -> dict[str, Document]:
    """The documents of files by path."""
    return {document.metadata["path"]: document for document in documents[1:]}


def notebook(*cells: Any, language: str = "python") -> str:
    """A notebook as Jupyter writes it."""
    metadata = {"kernelspec": {"name": "k", "display_name": "K", "language": language}}
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)))


def test_the_repository_comes_first_then_its_files_that_point_to_it(tls_host: GitHost, collect: Collect) -> None:
    files = {
        "README.md": "# Notes\n\nAbout things.\n",
        "LICENSE": MIT,
        "src/app.py": PYTHON,
        "run.sh": "#!/bin/sh\nls\n",
    }
    tls_host.publish("/ada/notes.git", files, host="github.com")
    repository, *rest = collect("https://github.com/ada/notes/tree/main/src", tls_host.server)
    commit = tls_host.git("/ada/notes.git", "rev-parse", "main")

    assert (repository.kind, repository.platform, repository.title) == ("repository", "github", "ada/notes")
    assert repository.link == "https://github.com/ada/notes"
    assert repository.published_at is not None
    assert repository.published_at.isoformat() == "2024-05-01T12:00:00+00:00"
    assert repository.metadata == {
        "commit": commit,
        "branch": "main",
        "languages": {"Python": len(PYTHON), "Shell": 13},
        "licence": "MIT",
        "readme": "README.md",
        "files": 3,
        "left_out": {"licence": ["LICENSE"]},
        "left_out_counts": {"licence": 1},
        "left_out_named": 50,
    }
    assert repository.text == (
        "# Notes\n\nAbout things.\n\n## Repository ada/notes\n\n"
        f"- Commit {commit} on main\n- Licence: MIT\n- Languages: Python, Shell\n- Files read: 3\n"
        "- Left out: 1 licence\n\n## Files\n\n```text\nLICENSE\nREADME.md\nrun.sh\nsrc/\n  app.py\n```\n"
    )
    assert [(document.kind, document.title, document.language, document.link) for document in rest] == [
        ("code", "run.sh", "Shell", "https://github.com/ada/notes/blob/main/run.sh"),
        ("code", "src/app.py", "Python", "https://github.com/ada/notes/blob/main/src/app.py"),
    ]
    assert {document.parent_id for document in rest} == {repository.id}
    assert {document.platform for document in rest} == {"github"}
    assert rest[1].text == PYTHON


@pytest.mark.parametrize(
    ("host", "path", "link", "platform", "file"),
    [
        ("gitlab.com", "/group/sub/tool", "https://gitlab.com/group/sub/tool", "gitlab", "/-/blob/main/a%20b.py"),
        ("codeberg.org", "/ada/tool", "https://codeberg.org/ada/tool", "codeberg", "/src/branch/main/a%20b.py"),
        ("git.ada.example", "/tool", "https://git.ada.example/tool.git", "git", "?file=a+b.py"),
    ],
)
def test_every_host_has_its_own_links(
    host: str, path: str, link: str, platform: str, file: str, tls_host: GitHost, collect: Collect
) -> None:
    tls_host.publish(f"{path}.git", {"a b.py": "1\n"}, host=host)
    repository, document = collect(f"https://{host}{path}.git", tls_host.server)
    assert (repository.link, repository.platform, repository.title) == (link, platform, path[1:])
    assert document.link == link + file


def test_only_what_changed_is_another_text(host: GitHost, collect: Collect) -> None:
    files = {"README.md": "# Notes\n", "a.py": "1\n", "b.py": "2\n"}
    before = collect(host.publish("/ada/notes.git", files), host.server)
    after = collect(host.publish("/ada/notes.git", files | {"b.py": "3\n"}), host.server)
    assert [document.id for document in after] == [document.id for document in before]
    changed = [new.title for old, new in zip(before, after, strict=True) if old.content_hash != new.content_hash]
    assert changed == ["ada/notes", "b.py"]
    assert by_path(before)["a.py"].metadata == by_path(after)["a.py"].metadata


def test_the_same_commit_gives_the_same_documents(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/notes.git", {"README.md": "# Notes\n", "a.py": "1\n"})
    once, again = ([d.model_dump(exclude={"collected_at"}) for d in collect(url, host.server)] for _ in range(2))
    assert once == again


def test_left_out_files_are_named_with_their_reason(host: GitHost, collect: Collect) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    files: dict[str, str | bytes] = {
        "kept.py": "1\n",
        "node_modules/left/index.js": "1\n",
        "web/vendor/jquery.js": "1\n",
        "dist/app.js": "1\n",
        "api_pb2.py": "1\n",
        "api.go": "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage api\n",
        "app.min.js": "1\n",
        "packed.js": "var a=1;" * 100,
        "poetry.lock": "1\n",
        "web/package-lock.json": "{}\n",
        "logo.svg": "<svg/>\n",
        "photo.png": b"\x89PNG" + bytes(2000),
        "data.bin": b"\0\1\2",
        "long.txt": "line\n" * 300,
        "model.safetensors": pointer,
        "weights.txt": pointer,
        "empty.py": "",
        "blank.py": " \n\n",
        "broken.ipynb": "{",
        "LICENSE.txt": MIT,
    }
    documents = collect(host.publish("/ada/notes.git", files), host.server, max_file_bytes=1400)
    assert documents[0].metadata["left_out"] == {
        "binary": ["data.bin"],
        "broken_notebook": ["broken.ipynb"],
        "empty": ["blank.py", "empty.py"],
        "generated": ["api.go", "api_pb2.py", "dist/app.js"],
        "image": ["logo.svg", "photo.png"],
        "lfs_pointer": ["model.safetensors", "weights.txt"],
        "licence": ["LICENSE.txt"],
        "lock_file": ["poetry.lock", "web/package-lock.json"],
        "minified": ["app.min.js", "packed.js"],
        "too_large": ["long.txt"],
        "vendored": ["node_modules/left/index.js", "web/vendor/jquery.js"],
    }
    assert list(by_path(documents)) == ["kept.py"]


def test_a_null_byte_far_into_a_file_makes_it_binary(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/notes.git", {"late.txt": "a" * 5000 + "\0", "kept.txt": "a" * 5000})
    assert collect(url, host.server)[0].metadata["left_out"] == {"binary": ["late.txt"]}


def test_symlinks_and_submodules_are_named_and_never_followed(host: GitHost, collect: Collect) -> None:
    path = "/ada/notes.git"
    modules = b'[submodule "sub"]\n path = sub\n url = "ext::sh -c touch% /tmp/evil"\n'
    host.commit_tree(
        path,
        [
            ("100644", "blob", host.blob(path, modules), b".gitmodules"),
            ("120000", "blob", host.blob(path, b"/etc/passwd"), b"link"),
            ("160000", "commit", "1" * 40, b"sub"),
        ],
    )
    documents = collect(host.serve(path), host.server)
    assert documents[0].metadata["left_out"] == {"submodule": ["sub"], "symlink": ["link"]}
    assert [document.text for document in documents[1:]] == [modules.decode()]


def test_gitattributes_decide_what_is_generated_or_vendored(host: GitHost, collect: Collect) -> None:
    files = {
        ".gitattributes": "schema/* linguist-generated\nvendor/ours.py -linguist-vendored\n"
        "/lib/** linguist-vendored=true\n",
        "schema/a.py": "1\n",
        "vendor/ours.py": "2\n",
        "vendor/theirs.py": "3\n",
        "lib/deep/b.py": "4\n",
    }
    documents = collect(host.publish("/ada/notes.git", files), host.server)
    assert documents[0].metadata["left_out"] == {
        "generated": ["schema/a.py"],
        "vendored": ["lib/deep/b.py", "vendor/theirs.py"],
    }
    assert list(by_path(documents)) == [".gitattributes", "vendor/ours.py"]


def test_many_left_out_files_are_counted_and_some_named(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/notes.git", {"a.py": "1\n"} | {f"vendor/{number:03}.py": "1\n" for number in range(120)})
    metadata = collect(url, host.server)[0].metadata
    assert metadata["left_out_counts"] == {"vendored": 120}
    assert metadata["left_out"]["vendored"] == [f"vendor/{number:03}.py" for number in range(50)]


def test_names_meant_to_confuse_are_only_names(host: GitHost, collect: Collect) -> None:
    path, names = (
        "/ada/evil.git",
        [b"--upload-pack=x", b"..", b".git", b"a\nb.py", b"b?.py#x&file=y", b"```", b"\xff.py"],
    )
    blob = host.blob(path, b"text\n")
    host.commit_tree(
        path, [("100644", "blob", blob, name) for name in sorted([*names, b"%41.py", b"A.py", b"dup", b"dup"])]
    )
    documents = collect(host.serve(path), host.server)
    repository, files = documents[0], by_path(documents)
    assert set(files) == {
        "--upload-pack=x",
        "..",
        ".git",
        "a\nb.py",
        "b?.py#x&file=y",
        "```",
        "\\xff.py",
        "%41.py",
        "A.py",
        "dup",
    }
    assert len({document.id for document in documents}) == len(documents)
    assert files["a\nb.py"].title == "a\\nb.py"
    assert repository.metadata["left_out"] == {"bad_path": ["dup"]}
    assert repository.text.endswith("````\n")


def test_a_path_longer_than_any_link_is_left_out(host: GitHost, collect: Collect) -> None:
    path = "/ada/deep.git"
    inner = host.make_tree(path, [("100644", "blob", host.blob(path, b"text\n"), b"x")])
    for _ in range(250):
        inner = host.make_tree(path, [("40000", "tree", inner, b"folder-in")])
    host.commit_tree(path, [("40000", "tree", inner, b"top"), ("100644", "blob", host.blob(path, b"1\n"), b"top.py")])
    documents = collect(host.serve(path), host.server)
    assert documents[0].metadata["left_out_counts"] == {"bad_path": 1}
    assert list(by_path(documents)) == ["top.py"]


def test_a_notebook_becomes_its_prose_and_code(host: GitHost, collect: Collect) -> None:
    v4 = nbformat.v4
    output = v4.new_output("stream", text="42\n")
    text = notebook(
        v4.new_markdown_cell("# Title\n\nProse."),
        v4.new_code_cell("x <- 1\n\n  y", outputs=[output]),
        v4.new_code_cell(""),
        v4.new_code_cell('"```"'),
        language="R",
    )
    documents = collect(host.publish("/ada/notes.git", {"a.ipynb": text}), host.server)
    document = by_path(documents)["a.ipynb"]
    assert document.text == '# Title\n\nProse.\n\n```R\nx <- 1\n\n  y\n```\n\n````R\n"```"\n````'
    assert (document.language, document.metadata["notebook_language"]) == ("Jupyter Notebook", "R")


def test_a_notebook_may_be_large_by_its_pictures(host: GitHost, collect: Collect) -> None:
    picture = nbformat.v4.new_output("display_data", data={"image/png": "A" * 5000})
    text = notebook(nbformat.v4.new_code_cell("plot()", outputs=[picture]))
    url = host.publish("/ada/notes.git", {"a.ipynb": text, "b.ipynb": text.replace("plot()", "p" * 2000)})
    documents = collect(url, host.server, max_file_bytes=1500)
    assert by_path(documents)["a.ipynb"].text == "```python\nplot()\n```"
    assert documents[0].metadata["left_out"] == {"too_large": ["b.ipynb"]}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"nbformat": 9}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": [], "cells": []}',
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"language": 3}}, "cells": [7]}',
        "[" * 90_000,
        "<html>",
    ],
)
def test_a_notebook_that_is_none_is_left_out(text: str, host: GitHost, collect: Collect) -> None:
    documents = collect(host.publish("/ada/notes.git", {"a.ipynb": text, "b.py": "1\n"}), host.server)
    assert documents[0].metadata["left_out"] == {"broken_notebook": ["a.ipynb"]}


def test_a_notebook_of_an_old_format_is_read(host: GitHost, collect: Collect) -> None:
    cells = [{"cell_type": "code", "language": "python", "input": "1 + 1", "outputs": [], "collapsed": False}]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "n"}, "worksheets": [{"cells": cells}]}
    documents = collect(host.publish("/ada/notes.git", {"a.ipynb": json.dumps(old)}), host.server)
    assert by_path(documents)["a.ipynb"].text == "```python\n1 + 1\n```"


def test_files_in_other_encodings_are_read_and_say_so(host: GitHost, collect: Collect) -> None:
    files: dict[str, str | bytes] = {
        "a.py": "# café\r\n".encode("latin-1"),
        "b.py": RUSSIAN.encode("cp1251"),
        "c.ps1": "\ufeff'café'\r\n".encode("utf-16-le"),
        "d.cs": "\ufeff// café\r\n".encode(),
        "e.py": "# café\n".encode(),
    }
    found = by_path(collect(host.publish("/ada/notes.git", files), host.server))
    assert {path: (document.text, document.metadata.get("encoding")) for path, document in found.items()} == {
        "a.py": ("# café\r\n", "cp1252"),
        "b.py": (RUSSIAN, "cp1251"),
        "c.ps1": ("'café'\r\n", "utf-16-le"),
        "d.cs": ("// café\r\n", None),
        "e.py": ("# café\n", None),
    }


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t \f"), min_size=1).filter(
    str.strip
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(texts=st.lists(TEXT, min_size=1, max_size=12))
def test_a_file_comes_out_exactly_as_it_went_in(texts: list[str], host: GitHost, collect: Collect) -> None:
    files = {f"{number:02}.py": text.removeprefix("\ufeff") or "-" for number, text in enumerate(texts)}
    documents = collect(host.publish("/ada/notes.git", files), host.server)
    assert {document.title: document.text for document in documents[1:]} == {
        name: text for name, text in files.items() if text.strip()
    }


def test_the_readme_is_told_once_and_other_prose_is_a_file(host: GitHost, collect: Collect) -> None:
    files = {
        "readme.rst": "Root\n====\n",
        "docs/README.md": "# Docs\n",
        "CHANGES.md": "# Changes\n",
        "Dockerfile": "FROM x\n",
    }
    documents = collect(host.publish("/ada/notes.git", files), host.server)
    assert documents[0].text.startswith("Root\n====\n")
    assert {path: document.language for path, document in by_path(documents).items()} == {
        "CHANGES.md": "Markdown",
        "Dockerfile": "Dockerfile",
        "docs/README.md": "Markdown",
    }


def test_a_repository_of_very_many_files_has_a_short_tree(host: GitHost, collect: Collect) -> None:
    files = {f"src/{folder:02}/{number:02}.py": "1\n" for folder in range(20) for number in range(40)}
    text = collect(host.publish("/ada/many.git", files | {"top.py": "1\n"}), host.server)[0].text
    tree = text.partition("```text\n")[2].removesuffix("\n```\n").splitlines()
    assert tree[:4] == ["top.py", "src/", "  00/", "    00.py"]
    assert tree[-2:] == ["  18/ (40 files)", "  19/ (40 files)"]
    assert len(tree) <= 400
