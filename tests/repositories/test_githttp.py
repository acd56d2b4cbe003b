"""Repositories that are made and served for the demo and the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llm_twin.demo.githttp import make_repository, serve_git
from llm_twin.errors import ConfigError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"one\r\n")
    (folder / ".gitignore").write_text("b.txt\n")
    (folder / "b.txt").write_text("two\n")
    return folder


def test_the_same_files_give_the_same_commit_on_every_machine(source: Path, tmp_path: Path) -> None:
    (source / "a.txt").chmod(0o755)
    assert make_repository(source, tmp_path / "one.git", "First") == "20642361dc958c01794ead8a00d1e63644ba985c"


def test_ignored_files_are_part_of_the_commit(source: Path, tmp_path: Path) -> None:
    make_repository(source, tmp_path / "one.git", "First")
    listed = subprocess.run(
        ["git", f"--git-dir={tmp_path / 'one.git'}", "ls-tree", "-r", "--name-only", "main"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == [".gitignore", "a.txt", "b.txt"]


def test_a_repository_that_is_there_gains_a_commit(source: Path, tmp_path: Path) -> None:
    first = make_repository(source, tmp_path / "one.git", "First")
    (source / "c.txt").write_text("three\n")
    second = make_repository(source, tmp_path / "one.git", "Second")
    log = subprocess.run(
        ["git", f"--git-dir={tmp_path / 'one.git'}", "log", "--format=%H", "main"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout.split() == [second, first]


def test_a_target_that_git_refuses_is_one_clear_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="git failed on"):
        make_repository(source, tmp_path / "file", "First")


def test_the_server_gives_out_but_takes_nothing_in(source: Path, tmp_path: Path) -> None:
    make_repository(source, tmp_path / "one.git", "First")
    status, headers, body = serve_git(tmp_path, "GET", "/one.git/info/refs", "service=git-upload-pack", {}, b"")
    assert (status, headers["content-type"]) == (200, "application/x-git-upload-pack-advertisement")
    assert b"refs/heads/main" in body
    assert serve_git(tmp_path, "GET", "/one.git/info/refs", "service=git-receive-pack", {}, b"")[0] == 403
    assert serve_git(tmp_path, "POST", "/one.git/git-receive-pack", "", {}, b"")[0] == 403
    assert serve_git(tmp_path, "POST", "/one.git/git%2Dreceive-pack", "", {}, b"")[0] == 403


@pytest.mark.parametrize("path", ["/none.git/info/refs", "/../one.git/info/refs", "/one.git/../../etc/passwd"])
def test_what_is_no_repository_below_the_root_is_not_found(path: str, source: Path, tmp_path: Path) -> None:
    make_repository(source, tmp_path / "one.git", "First")
    (tmp_path / "root").mkdir()
    assert serve_git(tmp_path / "root", "GET", path, "service=git-upload-pack", {}, b"")[0] == 404


def test_a_path_with_a_null_byte_is_refused(tmp_path: Path) -> None:
    assert serve_git(tmp_path, "GET", "/one%00.git/info/refs", "", {}, b"")[0] == 400
