"""What a clone may do, what it must not, and what is said when it fails."""

from __future__ import annotations

import asyncio
import itertools
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llm_twin.collect.repositories import git
from llm_twin.collect.sites.repository import crawl
from llm_twin.collect.web import Web
from llm_twin.documents import Author, Document, Link
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.settings import Settings

if TYPE_CHECKING:
    from conftest import Collect, GitHost
    from server import Answer, Request

FILES = {"README.md": "# Notes\n", "app.py": "print(1)\n"}


def reason_of(call: Callable[[], object]) -> Reason:
    """Why the call fails."""
    with pytest.raises(LinkError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_a_known_host_is_cloned_over_tls_from_where_the_settings_say(tls_host: GitHost, collect: Collect) -> None:
    tls_host.publish("/ada/notes.git", FILES, host="github.com")
    documents = collect("https://github.com/ada/notes", tls_host.server)
    assert [document.link for document in documents] == [
        "https://github.com/ada/notes",
        "https://github.com/ada/notes/blob/main/app.py",
    ]
    assert {request.host for request in tls_host.server.requests} == {"github.com"}


def test_a_certificate_nobody_vouches_for_ends_the_clone(
    tls_host: GitHost, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tls_host.publish("/ada/notes.git", FILES)
    monkeypatch.delenv("SSL_CERT_FILE")
    assert reason_of(lambda: collect(url, tls_host.server)) is Reason.UNREACHABLE


def test_a_renamed_repository_is_known_by_its_new_name(tls_host: GitHost, collect: Collect) -> None:
    tls_host.publish("/ada/new.git", FILES, host="github.com")
    moved = {"location": "https://github.com/ada/new.git/info/refs?service=git-upload-pack"}
    tls_host.server.route("github.com", "/ada/old.git/info/refs", status=301, headers=moved)
    assert collect("https://github.com/ada/old", tls_host.server)[0].link == "https://github.com/ada/new"


def test_git_follows_no_redirect_that_was_not_checked(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/notes.git", FILES)
    host.publish("/ada/notes.git", FILES, host="inside.example")
    asked: list[str] = []

    def then_elsewhere(request: Request) -> Answer:
        asked.append(request.path)
        answer = host.answer(request)
        if len(asked) == 1:  # the check before the clone
            return answer
        location = "http://inside.example/ada/notes.git/info/refs?service=git-upload-pack"
        return type(answer)(b"", 302, {"location": location})

    host.server.route("git.example", "/ada/notes.git/info/refs", then_elsewhere)
    assert reason_of(lambda: collect(url, host.server)) is Reason.SERVER_ERROR
    assert {request.host for request in host.server.requests} == {"git.example"}


def test_a_private_address_is_refused_before_git_starts(tls_host: GitHost, collect: Collect) -> None:
    url = tls_host.publish("/ada/notes.git", FILES)
    assert reason_of(lambda: collect(url, tls_host.server, allow_private=False)) is Reason.PRIVATE_ADDRESS
    assert not tls_host.server.requests


def test_git_over_http_needs_the_setting(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/notes.git", FILES)
    assert reason_of(lambda: collect(url, host.server, allow_private=False)) is Reason.BAD_LINK


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/evil.git",
        "ext::sh",
        "ssh://git@git.example/a/b.git",
        "git@git.example:a/b.git",
        "file:///etc/passwd.git",
        "--upload-pack=touch evil.git",
        "https://user:secret@git.example/a/b.git",
        "/local/folder.git",
    ],
)
def test_what_is_no_web_link_never_reaches_git(url: str, host: GitHost, collect: Collect) -> None:
    assert reason_of(lambda: collect(url, host.server)) is Reason.BAD_LINK
    assert not host.server.requests


def test_options_in_a_link_stay_part_of_the_link(host: GitHost, collect: Collect, tmp_path: Path) -> None:
    marker = tmp_path / "evil"
    url = f"http://git.example/--upload-pack=touch%20{marker}/-c.git"
    assert reason_of(lambda: collect(url, host.server)) is not Reason.INTERNAL
    assert not marker.exists()


@pytest.mark.parametrize(("status", "reason"), [(401, Reason.LOGIN_REQUIRED), (404, Reason.NOT_FOUND)])
def test_a_repository_that_is_missing_or_private_is_named_so(
    status: int, reason: Reason, host: GitHost, collect: Collect
) -> None:
    url = host.server.route("git.example", "/ada/none.git/info/refs", status=status).removesuffix("/info/refs")
    with pytest.raises(Permanent, match="no such repository, or a private one") as caught:
        collect(url, host.server)
    assert caught.value.reason is reason


def test_a_web_page_behind_the_link_is_no_repository(host: GitHost, collect: Collect) -> None:
    host.server.route(
        "git.example", "/ada/page.git/info/refs", body="<p>Welcome to a page of mine, dear reader.</p>" * 9
    )
    with pytest.raises(Permanent, match="no git repository answers"):
        collect("http://git.example/ada/page.git", host.server)


def test_a_repository_without_commits_is_empty(host: GitHost, collect: Collect) -> None:
    host.git("/ada/empty.git", "rev-parse")
    assert reason_of(lambda: collect(host.serve("/ada/empty.git"), host.server)) is Reason.EMPTY


def test_a_commit_without_files_is_empty(host: GitHost, collect: Collect) -> None:
    host.commit_tree("/ada/empty.git", [])
    assert reason_of(lambda: collect(host.serve("/ada/empty.git"), host.server)) is Reason.EMPTY


def test_a_server_that_breaks_off_is_worth_a_retry(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/notes.git", FILES)
    host.server.route("git.example", "/ada/notes.git/git-upload-pack", status=500)
    with pytest.raises(Transient, match="git clone failed") as caught:
        collect(url, host.server)
    assert caught.value.reason is Reason.SERVER_ERROR


def test_a_clone_that_takes_too_long_is_ended_and_leaves_nothing(
    host: GitHost, collect: Collect, left_behind: Callable[[], list[str]]
) -> None:
    url = host.publish("/ada/slow.git", FILES)
    host.server.route("git.example", "/ada/slow.git/git-upload-pack", hang=True)
    assert reason_of(lambda: collect(url, host.server, clone_timeout=0.5)) is Reason.TIMEOUT
    assert left_behind() == []


def test_a_cancelled_clone_leaves_nothing(host: GitHost, left_behind: Callable[[], list[str]], tmp_path: Path) -> None:
    url = host.publish("/ada/slow.git", FILES)
    reached = asyncio.Event()

    async def run() -> list[Document]:
        loop = asyncio.get_running_loop()

        def stuck(request: Request) -> Answer:
            loop.call_soon_threadsafe(reached.set)
            return type(host.answer(request))(hang=True)

        host.server.route("git.example", "/ada/slow.git/git-upload-pack", stuck)
        settings = Settings(home=tmp_path, resolve=host.server.resolve, allow_private=True, delay=0)
        async with Web(settings) as web:
            link = Link(url=url, author=Author.named("Ada"))

            async def documents() -> list[Document]:
                return [document async for document in crawl(link, web)]

            task = asyncio.create_task(documents())
            await reached.wait()
            assert left_behind()
            task.cancel()
            return await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert left_behind() == []


def endless_pack() -> Iterator[bytes]:
    """A valid answer to a fetch whose pack never ends: 200 kB of noise an object, sent as git's side band."""
    yield b"000dpackfile\n"
    yield _side_band(b"PACK" + struct.pack(">II", 2, 100_000))
    while True:
        noise = os.urandom(200_000)
        size, header = len(noise), bytearray()
        byte, size = 0x30 | size & 15, size >> 4  # type 3, a blob
        while size:
            header.append(byte | 0x80)
            byte, size = size & 0x7F, size >> 7
        packed = bytes([*header, byte]) + zlib.compress(noise, 0)
        for start in range(0, len(packed), 60_000):
            yield _side_band(packed[start : start + 60_000])


def _side_band(data: bytes) -> bytes:
    return b"%04x\x01%s" % (len(data) + 5, data)


def test_a_clone_is_ended_as_soon_as_it_outgrows_the_limit(
    host: GitHost, collect: Collect, left_behind: Callable[[], list[str]]
) -> None:
    url = host.publish("/ada/huge.git", FILES)

    def answer(request: Request) -> Answer:
        usual = host.answer(request)
        if b"command=fetch" not in request.body:
            return usual
        return type(usual)(endless_pack(), 200, {"content-type": "application/x-git-upload-pack-result"})

    host.server.route("git.example", "/ada/huge.git/git-upload-pack", answer)
    assert reason_of(lambda: collect(url, host.server, max_repository_bytes=2_000_000)) is Reason.TOO_LARGE
    assert left_behind() == []


def endless_branches() -> Iterator[bytes]:
    """A valid answer to a question for branches, of which there is no last one."""
    for start in itertools.count(0, 1000):
        lines = [b"%040x refs/heads/%0900d\n" % (number, number) for number in range(start, start + 1000)]
        yield b"".join(b"%04x%s" % (len(line) + 4, line) for line in lines)


def test_a_server_that_names_branches_without_an_end_does_not_fill_the_memory(
    host: GitHost, collect: Collect, left_behind: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "MEMORY", 60_000_000)
    url = host.publish("/ada/many.git", FILES)

    def answer(request: Request) -> Answer:
        usual = host.answer(request)
        if b"command=ls-refs" not in request.body:
            return usual
        return type(usual)(endless_branches(), 200, {"content-type": "application/x-git-upload-pack-result"})

    host.server.route("git.example", "/ada/many.git/git-upload-pack", answer)
    assert reason_of(lambda: collect(url, host.server)) is Reason.TOO_LARGE
    assert left_behind() == []


def test_a_finished_clone_over_the_limit_is_too_large(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/big.git", {"noise.bin": os.urandom(300_000)})
    assert reason_of(lambda: collect(url, host.server, max_repository_bytes=200_000)) is Reason.TOO_LARGE


def test_source_files_that_unpack_to_more_than_the_limit_are_too_large(host: GitHost, collect: Collect) -> None:
    url = host.publish("/ada/bomb.git", {f"{number}.txt": "same\n" * 100_000 for number in range(8)})
    assert reason_of(lambda: collect(url, host.server, max_repository_bytes=1_000_000)) is Reason.TOO_LARGE


def nested(host: GitHost, path: str, leaf: str, levels: int) -> None:
    """Commit a tree of 10 ** levels paths that all lead to one leaf."""
    mode = "100644" if host.git(path, "cat-file", "-t", leaf) == "blob" else "40000"
    for _ in range(levels - 1):
        leaf = host.make_tree(path, [(mode, "", leaf, b"%d" % digit) for digit in range(10)])
        mode = "40000"
    host.commit_tree(path, [(mode, "", leaf, b"%d" % digit) for digit in range(10)])


def test_a_tree_of_billions_of_files_is_too_large(host: GitHost, collect: Collect) -> None:
    nested(host, "/ada/bomb.git", host.blob("/ada/bomb.git", b"boom"), levels=10)
    assert reason_of(lambda: collect(host.serve("/ada/bomb.git"), host.server)) is Reason.TOO_LARGE


def test_a_tree_of_billions_of_empty_folders_runs_out_of_time(host: GitHost, collect: Collect) -> None:
    nested(host, "/ada/bomb.git", host.make_tree("/ada/bomb.git", []), levels=11)
    url = host.serve("/ada/bomb.git")
    assert reason_of(lambda: collect(url, host.server, clone_timeout=2)) is Reason.TIMEOUT


def test_the_users_own_configuration_and_environment_take_no_part(
    host: GitHost, collect: Collect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = host.publish("/ada/notes.git", {**FILES, ".gitattributes": "* filter=own\n"})
    marker, home = tmp_path / "ran", tmp_path / "home"
    hook = home / "template" / "hooks" / "post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[filter "own"]\n smudge = touch {marker}\n[init]\n templateDir = {home}/template\n'
        f'[credential]\n helper = "!touch {marker}"\n[url "http://evil.example/"]\n insteadOf = http://git.example/\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(home / "template"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert collect(url, host.server)[0].title == "ada/notes"
    assert not marker.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_server_that_asks_git_for_a_password_gets_none(
    host: GitHost, collect: Collect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = host.publish("/ada/notes.git", FILES)
    asks = {"www-authenticate": 'Basic realm="git"'}
    host.server.route("git.example", "/ada/notes.git/git-upload-pack", status=401, headers=asks)
    (tmp_path / ".netrc").write_text("machine git.example login ada password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert reason_of(lambda: collect(url, host.server)) is Reason.SERVER_ERROR
    assert not [request for request in host.server.requests if "authorization" in request.headers]


def test_a_proxy_of_the_environment_is_used(host: GitHost, collect: Collect, monkeypatch: pytest.MonkeyPatch) -> None:
    url = host.publish("/ada/notes.git", FILES)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{host.server.port}")  # the server takes requests to any host
    assert len(collect(url, host.server, resolve={})) == 2


def test_requests_say_who_asks(host: GitHost, collect: Collect) -> None:
    collect(host.publish("/ada/notes.git", FILES), host.server, user_agent="twin-test/1")
    assert {request.headers["user-agent"] for request in host.server.requests} == {"twin-test/1"}


def test_a_machine_without_git_is_told_what_to_install(
    host: GitHost, collect: Collect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = host.publish("/ada/notes.git", FILES)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Permanent, match="git is not installed; install it"):
        collect(url, host.server)


def test_a_git_that_cannot_be_held_to_an_address_is_too_old(
    host: GitHost, collect: Collect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = host.publish("/ada/notes.git", FILES)
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    with pytest.raises(Permanent, match=r"git version 2\.30\.2 is too old; install git 2\.37"):
        collect(url, host.server)
