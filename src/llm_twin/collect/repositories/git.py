"""Shallow clones of repositories nobody vouches for: one branch, one commit, bare, so nothing in them is ever run.

Relies on git 2.37 or newer (`http.curloptResolve`). No configuration, credentials, hooks, filters, submodules or
transports other than https take part, and git connects to the address that `Web` has checked.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any
from urllib.parse import urlsplit

from llm_twin.collect.web import Web
from llm_twin.errors import LinkError, Permanent, Reason, Transient
from llm_twin.links import DEFAULT_PORTS, host_of
from llm_twin.settings import MEGABYTE, Settings

OLDEST_GIT = (2, 37)
POLL = 0.1  # seconds between two looks at the size of a growing clone
MAX_LISTING = 64 * MEGABYTE  # of `git ls-tree`, some 600,000 files; a crafted tree lists billions from a few objects
MAX_SAID = 64_000  # bytes read of an answer that should be a line
MEMORY = 1_000_000_000  # bytes that one process of git may hold (Linux): it keeps all the branches that a server names
WITHIN = 'ulimit -d "$0" 2>/dev/null; exec git "$@"'  # run by sh, which every process of git inherits the limit from
ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
UNREACHABLE = re.compile(r"could not resolve|failed to connect|connection (refused|reset|timed out)|timed out", re.I)


@dataclass(frozen=True)
class Entry:
    """One entry of a commit's tree: a file, a symlink (mode 120000) or a submodule (mode 160000)."""

    path: bytes
    mode: str
    blob: str
    size: int  # bytes; 0 for a submodule


@dataclass(frozen=True)
class Clone:
    """A bare clone of one commit. Lives as long as its folder does."""

    folder: Path
    url: str  # after redirects, as a renamed repository has them
    commit: str
    branch: str  # the default one
    committed_at: datetime | None  # None when the commit carries no possible date
    timeout: float  # seconds

    async def entries(self) -> list[Entry]:
        """Everything in the tree, in git's order. Raises `Permanent(TOO_LARGE)` or `Transient(TIMEOUT)`."""
        listing = bytearray()
        try:
            async with asyncio.timeout(self.timeout), _git(*self._here, "ls-tree", "-r", "-l", "-z", "HEAD") as process:
                while block := await _stdout(process).read(1 << 16):
                    listing += block
                    if len(listing) > MAX_LISTING:
                        raise Permanent(Reason.TOO_LARGE, "the repository lists too many files")
                if await process.wait():
                    raise Permanent(Reason.BAD_DATA, "the repository's tree can't be read")
        except TimeoutError:
            raise Transient(Reason.TIMEOUT, f"reading the tree took over {self.timeout:g} s") from None
        return [_entry(line) for line in bytes(listing).split(b"\0") if line]

    async def blobs(self, names: Iterable[str]) -> AsyncGenerator[bytes, None]:
        """The contents of blobs, one after the other, in the order asked for. Raises `Permanent(BAD_DATA)`."""
        async with _git(*self._here, "cat-file", "--batch", stdin=PIPE) as process:
            stdin, stdout = process.stdin, _stdout(process)
            assert stdin is not None  # noqa: S101 - it was asked for
            for name in names:
                stdin.write(name.encode() + b"\n")
                header = (await stdout.readline()).split()
                if len(header) != 3:
                    raise Permanent(Reason.BAD_DATA, f"the repository lacks its object {name}")
                try:
                    content = await stdout.readexactly(int(header[2]) + 1)
                except asyncio.IncompleteReadError:
                    raise Permanent(Reason.BAD_DATA, f"the repository's object {name} can't be read") from None
                yield content[:-1]

    async def attributes(self, paths: Iterable[bytes], *names: str) -> dict[tuple[bytes, str], bool]:
        """What `.gitattributes` files say about paths: (path, name) -> set or unset; the unspecified are left out."""
        index = {"GIT_INDEX_FILE": str(self.folder / "index")}
        # Attributes are read from an index, as the clone has no files; git refuses to index a crafted tree.
        async with _git(*self._here, "read-tree", "HEAD", env=index) as process:
            if await process.wait():
                return {}
        async with _git(
            *self._here, "check-attr", "--cached", "--stdin", "-z", *names, stdin=PIPE, env=index
        ) as process:
            answer, _ = await process.communicate(b"".join(path + b"\0" for path in paths))
        fields = answer.split(b"\0")[:-1]
        triples = zip(fields[::3], fields[1::3], fields[2::3], strict=True)
        return {
            (path, name.decode()): value not in (b"unset", b"false")
            for path, name, value in triples
            if value != b"unspecified"
        }

    @property
    def _here(self) -> tuple[str, ...]:
        return (f"--git-dir={self.folder}",)


async def shallow_clone(url: str, web: Web, into: Path) -> Clone:
    """Clone the last commit of the default branch of the repository at `url` into the empty folder `into`.

    Raises `Unchanged` where `web` knows the repository and its last commit is still the same: then nothing is cloned.

    Raises `LinkError`: bad_link (neither https, nor http with `allow_private`), private_address, not_found and
    login_required, empty (no commit), too_large, timeout, unreachable, server_error; internal when git is missing.
    """
    settings = web.settings
    await _require_git()
    url = await _probe(url, web)
    target, pin = await _pinned(url, web)
    if web.before:
        web.found(url, await head_of(url, web))
    folder, log = into / "clone.git", into / "log"
    configuration = _configuration(url, web, pin)
    arguments = ["clone", "--quiet", "--bare", "--depth=1", "--single-branch", "--no-tags", "--template="]
    arguments += ["--", target, str(folder)]
    try:
        with log.open("wb") as errors:
            async with asyncio.timeout(settings.clone_timeout):
                async with _git(*arguments, stdout=DEVNULL, stderr=errors, env=configuration) as process:
                    await _watch(process, into, settings.max_repository_bytes)
    except TimeoutError:
        raise Transient(Reason.TIMEOUT, f"the clone took over {settings.clone_timeout:g} s") from None
    if process.returncode:
        said = _last_line(log)
        if "out of memory" in log.read_bytes()[-MAX_SAID:].lower().decode("ascii", "replace"):
            raise Permanent(Reason.TOO_LARGE, f"the clone takes more than {MEMORY / MEGABYTE:,.0f} MB of memory")
        reason = Reason.UNREACHABLE if UNREACHABLE.search(said) else Reason.SERVER_ERROR
        raise Transient(reason, f"git clone failed: {said}")
    clone = await _opened(folder, url, settings)
    web.found(url, clone.commit)
    return clone


async def head_of(url: str, web: Web) -> str:
    """The last commit of the default branch of the repository at `url`, for the price of one request; "": unknown.

    The address is one that `_probe` has found. Raises as `Web.address` does.
    """
    target, pin = await _pinned(url, web)
    command = ("ls-remote", "--quiet", "--", target, "HEAD")
    try:
        async with asyncio.timeout(web.settings.timeout), _git(*command, env=_configuration(url, web, pin)) as process:
            line = await _stdout(process).readline()
            await _stdout(process).read(MAX_SAID)
            found = re.fullmatch(rb"([0-9a-f]{40}|[0-9a-f]{64})\tHEAD\n", line)
            return found[1].decode() if found else ""
    except (TimeoutError, ValueError):  # the clone says what is the matter; ValueError: an endless line
        return ""


def _configuration(url: str, web: Web, pin: dict[str, str]) -> dict[str, str]:
    """All that git is to know, for its environment.

    Other users see a program's arguments, and a proxy's address may hold a password.
    """
    options = {
        "protocol.allow": "never",
        f"protocol.{urlsplit(url).scheme}.allow": "always",
        "http.followRedirects": "false",
        "http.userAgent": web.settings.user_agent,
        "http.emptyAuth": "false",
        "core.hooksPath": os.devnull,
        "core.askPass": "",
        "credential.helper": "",
        "transfer.bundleURI": "false",
        "core.bigFileThreshold": "32m",  # larger files are unpacked in pieces
        "gc.auto": "0",
        **pin,
        **_certificates(),
    }
    configuration = {"GIT_CONFIG_COUNT": str(len(options))}
    for number, (name, value) in enumerate(options.items()):
        configuration |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return configuration


async def _require_git() -> None:
    if not shutil.which("git"):
        raise Permanent(Reason.INTERNAL, "git is not installed; install it (Debian: apt install git)")
    async with _git("version") as process:
        answer, _ = await process.communicate()
    version = tuple(int(part) for part in re.findall(rb"\d+", answer)[:2])
    if version < OLDEST_GIT:
        raise Permanent(Reason.INTERNAL, f"{answer.decode().strip()} is too old; install git 2.37 or newer")


async def _probe(url: str, web: Web) -> str:
    """The repository's address after redirects, once a git server has answered there."""
    _check_scheme(url, web)
    try:
        # Version 2 answers with its abilities alone; before it, all branches and tags are listed at once.
        page = await web.get(
            f"{url}/info/refs?service=git-upload-pack", headers={"Git-Protocol": "version=2"}, robots=False
        )
    except LinkError as error:
        if error.reason in (Reason.LOGIN_REQUIRED, Reason.NOT_FOUND):  # hosts answer 401 for what does not exist
            raise Permanent(error.reason, "no such repository, or a private one") from None
        raise
    final = urlsplit(page.url)
    if page.content_type.partition(";")[0].strip() != ADVERTISEMENT or not final.path.endswith("/info/refs"):
        raise Permanent(Reason.NOT_FOUND, "no git repository answers at this link")
    found = final._replace(path=final.path.removesuffix("/info/refs"), query="", fragment="").geturl()
    _check_scheme(found, web)
    return found


def _check_scheme(url: str, web: Web) -> None:
    scheme = urlsplit(url).scheme
    if scheme != "https" and not (scheme == "http" and web.settings.allow_private):
        raise Permanent(Reason.BAD_LINK, "repositories are cloned over https only")


async def _pinned(url: str, web: Web) -> tuple[str, dict[str, str]]:
    """The URL for git, and the option that makes it connect to the checked address (or the proxy) and nowhere else."""
    parts, host = urlsplit(url), host_of(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and f"{host}:{port}" not in web.settings.resolve and not urllib.request.proxy_bypass(host):
        return url, {"http.proxy": proxy}  # which looks the name up itself
    address, port = await web.address(host, port)
    literal = f"[{address}]" if ":" in address else address
    try:
        ip_address(host)
        return parts._replace(netloc=f"{literal}:{port}").geturl(), {}
    except ValueError:
        return parts._replace(netloc=f"{host}:{port}").geturl(), {"http.curloptResolve": f"{host}:{port}:{literal}"}


def _certificates() -> dict[str, str]:
    """The certificate authorities that Python's own connections trust; libcurl does not read their variables."""
    chosen = {
        "http.sslCAInfo": os.environ.get("SSL_CERT_FILE") or os.environ.get("GIT_SSL_CAINFO"),
        "http.sslCAPath": os.environ.get("SSL_CERT_DIR") or os.environ.get("GIT_SSL_CAPATH"),
    }
    return {name: path for name, path in chosen.items() if path and Path(path).exists()}


async def _watch(process: asyncio.subprocess.Process, folder: Path, most: int) -> None:
    """Wait for the end of the process. Raises `Permanent(TOO_LARGE)` as soon as the folder outgrows `most` bytes."""
    end = asyncio.ensure_future(process.wait())
    try:
        done = False
        while not done:
            done = bool((await asyncio.wait({end}, timeout=POLL))[0])
            if _size(folder) > most:
                raise Permanent(Reason.TOO_LARGE, f"the clone is larger than {most / MEGABYTE:,.3g} MB")
    finally:
        end.cancel()


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # git renames its packs
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - ten times a second
    return total


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return "".join(letter for letter in lines[-1] if letter.isprintable()) if lines else "without a word"


async def _opened(folder: Path, url: str, settings: Settings) -> Clone:
    here = f"--git-dir={folder}"
    async with _git(here, "log", "-1", "--format=%H %cI", "HEAD") as process:
        found, _ = await process.communicate()
    if process.returncode or not found.strip():
        raise Permanent(Reason.EMPTY, "the repository has no commit on its default branch")
    commit, _, date = found.decode().strip().partition(" ")
    try:
        committed_at = datetime.fromisoformat(date)
    except ValueError:
        committed_at = None
    async with _git(here, "symbolic-ref", "--short", "HEAD") as process:
        branch, _ = await process.communicate()
    return Clone(
        folder=folder,
        url=url,
        commit=commit,
        branch=branch.decode("utf-8", "replace").strip() or "HEAD",
        committed_at=committed_at,
        timeout=settings.clone_timeout,
    )


@asynccontextmanager
async def _git(
    *arguments: str,
    stdin: int = DEVNULL,
    stdout: int = PIPE,
    stderr: int | IO[Any] = DEVNULL,
    env: dict[str, str] | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run git in a process group of its own, of which nothing is left afterwards."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,  # no .gitconfig, .netrc, .git-credentials
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_NO_REPLACE_OBJECTS": "1",
    } | (env or {})
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", WITHIN, str(MEMORY // 1024)),
        *arguments,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
        limit=MEGABYTE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                for _ in range(50):  # its children die a moment later, and still write into a folder being removed
                    os.killpg(process.pid, 0)
                    await asyncio.sleep(0.02)
            await process.wait()


def _stdout(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    return process.stdout


def _entry(line: bytes) -> Entry:
    head, _, path = line.partition(b"\t")
    mode, _, name, size = head.decode().split()
    return Entry(path=path, mode=sys.intern(mode), blob=name, size=int(size) if size.isdecimal() else 0)
