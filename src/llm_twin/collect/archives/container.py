"""What an archive lies in: a zip, a folder or a single file, as named members that are read under limits.

Archives are hostile input, and this is the one place that deals with it. Nothing is ever unpacked under a member's own
name; links are not followed; sizes are believed from nobody but counted while reading. What concerns the whole archive
raises `UsageError`, what concerns one member `Permanent`, which ends that member alone.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from copy import copy
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, NamedTuple, Protocol, Self

from llm_twin.collect.archives.zips import DAMAGE, MAX_MEMBERS, MAX_RATIO, MIB, ZipSource, members_of, path_in_zip
from llm_twin.errors import Permanent, Reason, UsageError

MAX_WHOLE = 16 * MIB  # of a member that is one document
MAX_STREAMED = 4096 * MIB  # of a member that holds many
MAX_TOTAL = 16_384 * MIB  # read of one archive, unpacked
ALWAYS = 64 * MIB  # may be read of any zip, however small
MAX_DEPTH = 64  # folders within each other
MAX_PARTS = 100  # zips in a zip
SAMPLE = 300  # members of a kind that an archive is recognised by

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
# What other packers make, by its first bytes, or those at 257: read by tar, 7z, unrar and the like, not here.
OTHERS = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x07\x08": "split zip",
}
TAR, TAR_AT = b"ustar", 257
JUNK = re.compile(r"(?:^|/)(?:__MACOSX|\.[^/]*|Thumbs\.db|desktop\.ini)(?:/|$)")  # hidden, or written by a file manager
PART = re.compile(r"(?:^|/)[^/]*(?:Export|Part)-[^/]*\.zip$", re.I)  # a Notion export in a zip of its own


class Source(Protocol):
    """Where members come from."""

    def open(self, path: str) -> IO[bytes]:
        """A member for reading. Raises `Permanent`, or one of `DAMAGE`."""
        ...


class Member(NamedTuple):
    """One file of an archive."""

    size: int  # unpacked, as the archive says; never relied on
    source: Source
    inner: str  # its name in the source


class Archive:
    """A zip, a folder or a file, opened for reading. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.resolve().name
        self.members: dict[str, Member] = {}  # safe paths with forward slashes, in alphabetical order
        self.refused: Counter[str] = Counter()  # members that are not looked at, by why
        self.opened: set[str] = set()  # read to be taken, as opposed to recognised
        self._most, self._read = MAX_TOTAL, 0  # unpacked bytes
        self._stack = ExitStack()
        try:
            self._add(path)
        except BaseException:
            self.close()
            raise
        self.members = dict(sorted(self.members.items()))

    def _add(self, path: Path) -> None:
        try:
            if not path.exists():
                raise UsageError(f"import: {path} does not exist")
            if path.is_dir():
                self._add_folder(path)
                self._open_parts()
            elif not path.is_file():
                raise UsageError(f"import: {path} is neither a file nor a folder")
            else:
                file = self._stack.enter_context(path.open("rb"))
                head = file.read(TAR_AT + len(TAR))
                if head[:4] in ZIP:
                    self._most = min(MAX_TOTAL, ALWAYS + MAX_RATIO * path.stat().st_size)
                    self._add_zip(file, "", nested=False)
                elif packer := _packer(head):
                    raise UsageError(f"import: {path} is a {packer} archive; unpack it and give the folder")
                else:
                    real = path.resolve()  # a link that was given is meant
                    self.members[path.name] = Member(path.stat().st_size, _Files(real.parent), real.name)
        except OSError as error:
            raise UsageError(f"import: {path} can't be read: {error.strerror or error}") from None

    # --- what is in it ---

    def _add_folder(self, root: Path) -> None:
        source = _Files(root)
        waiting = [("", 0)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                found = os.scandir(root / folder)
            except OSError:
                if not folder:
                    raise
                self.refused["unreadable folder"] += 1
                continue
            with found as entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    if JUNK.search(path):
                        self.refused["hidden"] += 1
                    elif entry.is_symlink():
                        self.refused["symlink"] += 1
                    elif entry.is_dir(follow_symlinks=False):
                        if depth < MAX_DEPTH:
                            waiting.append((f"{path}/", depth + 1))
                        else:
                            self.refused["too deep"] += 1
                    elif not entry.is_file(follow_symlinks=False):
                        self.refused["no file"] += 1
                    elif not _printable(path):
                        self.refused["unsafe name"] += 1
                    else:
                        self._take(path, Member(entry.stat(follow_symlinks=False).st_size, source, path))

    def _open_parts(self) -> None:
        """Put the members of a Notion export's parts in the place of the parts, where a folder holds nothing else."""
        parts = self.members
        if not parts or len(parts) > MAX_PARTS or not all(PART.search(path) for path in parts):
            return
        self.members = {}
        for path, member in parts.items():
            self._add_zip(self._stack.enter_context(member.source.open(member.inner)), path, nested=True)

    def _add_zip(self, file: IO[bytes], where: str, *, nested: bool) -> None:
        name = f"{self.path}{': ' + where if where else ''}"
        source, files = members_of(file, name)
        kept: dict[str, zipfile.ZipInfo] = {}
        for info in files:
            path = path_in_zip(info)
            if not _safe(path):
                self.refused["unsafe name"] += 1
            elif JUNK.search(path):
                self.refused["hidden"] += 1
            elif stat.S_ISLNK(info.external_attr >> 16):
                self.refused["symlink"] += 1
            elif path in kept:
                self.refused["doubled name"] += 1
            else:
                kept[path] = info
        parts = {} if nested else {path: info for path, info in kept.items() if PART.search(path)}
        for path, info in kept.items():
            source.infos[path] = info
            if path not in parts:
                self._take(path, Member(info.file_size, source, path))
        self._add_parts(source, parts, name)

    def _add_parts(self, source: ZipSource, parts: dict[str, zipfile.ZipInfo], name: str) -> None:
        """The members of the parts that a zip holds of an export; zips within those are files like others."""
        if len(parts) > MAX_PARTS:
            raise UsageError(f"import: {name} holds {len(parts)} zips; unpack it and give the folder")
        for path, info in parts.items():
            member = Member(info.file_size, source, path)
            unpacked = self._stack.enter_context(TemporaryFile())  # noqa: SIM115 - open until the archive is closed
            try:
                with self._bounded(path, member, MAX_STREAMED) as packed:
                    while block := packed.read(MIB):
                        unpacked.write(block)
                unpacked.seek(0)
            except Permanent as error:
                raise UsageError(f"import: {error.detail}") from None
            self._add_zip(unpacked, path, nested=True)

    def _take(self, path: str, member: Member) -> None:
        if path in self.members:
            self.refused["doubled name"] += 1
            return
        if len(self.members) >= MAX_MEMBERS:
            raise UsageError(f"import: {self.path} has over {MAX_MEMBERS:,} files; import it in parts")
        self.members[path] = member

    def some(self, *endings: str) -> list[str]:
        """The first members with these endings, enough to see what they are."""
        return list(islice((path for path in self.members if path.lower().endswith(endings)), SAMPLE))

    def only(self, paths: Iterable[str]) -> Archive:
        """The same archive as if it held nothing but these members; to be closed with this one."""
        part = copy(self)
        part.members = {path: self.members[path] for path in paths}
        return part

    # --- reading ---

    def head(self, path: str, size: int = 4096) -> bytes:
        """The first bytes of a member, to recognise it by; empty where it can't be read."""
        try:
            with self._bounded(path, self.members[path], size, refuse=False) as file:
                return file.read(size)
        except Permanent:
            return b""

    def read(self, path: str) -> str:
        """The text of a member that is one document. Raises `Permanent(BAD_DATA)` or `(TOO_LARGE)`."""
        self.opened.add(path)
        with self._bounded(path, self.members[path], MAX_WHOLE) as file:
            body = file.read()
        return body.decode(encoding_of(body, whole=True), "replace").removeprefix("\ufeff").replace("\0", "")

    def stream(self, path: str) -> io.BufferedReader:
        """A member that holds many documents; reading raises `Permanent` where it is damaged or too large."""
        self.opened.add(path)
        return self._bounded(path, self.members[path], MAX_STREAMED)

    def lines(self, path: str) -> io.TextIOWrapper:
        """The same as text, with its line ends as they are. What is no valid character becomes U+FFFD."""
        encoding = encoding_of(self.head(path, 65_536))
        return io.TextIOWrapper(self.stream(path), encoding, "replace", newline="")

    def _bounded(self, path: str, member: Member, limit: int, refuse: bool = True) -> io.BufferedReader:
        try:
            return io.BufferedReader(_Bounded(self, path, member.source.open(member.inner), limit, refuse), MIB // 8)
        except Permanent as error:
            raise Permanent(error.reason, f"{self.name}, {path}: {error.detail}") from None
        except DAMAGE as error:
            raise damaged(f"{self.name}, {path}", error) from None

    def spend(self, count: int) -> None:
        """Count unpacked bytes. Raises `UsageError` when the whole archive has more of them than any honest one."""
        self._read += count
        if self._read > self._most:
            raise UsageError(f"import: {self.path} unpacks to over {self._most // MIB:,} MiB; import it in parts")

    def close(self) -> None:
        """Release the files. Closing twice is fine."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Bounded(io.RawIOBase):
    """A member that ends in a clear line where it is damaged or goes on for too long."""

    def __init__(self, archive: Archive, path: str, file: IO[bytes], limit: int, refuse: bool) -> None:
        self._archive, self._path, self._file, self._limit, self._refuse = archive, path, file, limit, refuse
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # the buffer protocol has no type before 3.12
        try:
            block = self._file.read(len(view))
        except DAMAGE as error:
            raise damaged(f"{self._archive.name}, {self._path}", error) from None
        self._count += len(block)
        self._archive.spend(len(block))
        if self._refuse and self._count > self._limit:
            where = f"{self._archive.name}, {self._path}"
            raise Permanent(Reason.TOO_LARGE, f"{where} has over {self._limit // MIB:,} MiB unpacked")
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Files:
    """The files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, path: str) -> IO[bytes]:
        # Not followed and not waited for, should a file have become a link or a pipe since it was listed.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        return io.FileIO(os.open(self._root / path, flags), "rb")


def _packer(head: bytes) -> str:
    """What packed a file that begins like this, where it is none that is read here; else ""."""
    if head[TAR_AT:] == TAR:
        return "tar"
    return next((name for mark, name in OTHERS.items() if head.startswith(mark)), "")


def damaged(where: str, error: Exception) -> Permanent:
    """What a member that can't be read is reported as."""
    return Permanent(Reason.BAD_DATA, f"{where} is damaged: {' '.join(str(error).split()) or type(error).__name__}")


def encoding_of(head: bytes, whole: bool = False) -> str:
    """UTF-8 where it is that, UTF-16 by its mark, else Windows-1252, which old exports are in."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # The head may end within a character.
        (head if whole else head[:-4]).decode("utf-8")
    except UnicodeDecodeError as error:
        # One broken byte is damage, many are another encoding.
        return "utf-8-sig" if re.search(rb"[\xc3-\xf4][\x80-\xbf]", head[: error.start]) else "cp1252"
    return "utf-8-sig"


def _safe(path: str) -> bool:
    """Whether a name stays below where it is: not absolute, no drive, no `..`, nothing that terminals obey."""
    return (
        _printable(path)
        and not path.startswith("/")
        and not re.match(r"[A-Za-z]:", path)
        and len(path) < 4096
        and path.count("/") <= MAX_DEPTH
        and not any(part in ("", ".", "..") for part in path.split("/"))
    )


def _printable(path: str) -> bool:
    """Whether a name holds nothing that terminals obey, or that makes them show another one."""
    return not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", path)
