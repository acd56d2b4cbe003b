"""A zip's list of members, and a member for reading; both checked before `zipfile` believes them."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from contextlib import suppress
from typing import IO

from llm_twin.errors import Permanent, Reason, UsageError

MIB = 1 << 20
MAX_MEMBERS = 500_000  # in memory at once, some 0.5 kB each
MAX_DIRECTORY = 256 * MIB  # of a zip: its list of members
MAX_RATIO = 200  # unpacked to packed, of members over 10 MiB and of a whole zip; texts of exports reach 30
RATIO_FROM = 10 * MIB
NO_DATE = (1980, 1, 1, 0, 0, 0)
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, struct.error)


class ZipSource:
    """The members of a zip."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self.infos: dict[str, zipfile.ZipInfo] = {}

    def open(self, path: str) -> IO[bytes]:
        info = self.infos[path]
        if info.flag_bits & 1:
            raise Permanent(Reason.BAD_DATA, "it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Permanent(Reason.BAD_DATA, "it is packed in a way that no export uses")
        if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * info.compress_size:
            raise Permanent(Reason.TOO_LARGE, f"it unpacks to more than {MAX_RATIO} times its size, as no text does")
        return self._zipped.open(info)


def members_of(file: IO[bytes], name: str) -> tuple[ZipSource, list[zipfile.ZipInfo]]:
    """An opened zip and its files. Raises `UsageError` where it is damaged, too large or encrypted."""
    _check_directory(file, name)
    try:
        zipped = zipfile.ZipFile(file)
        files = [info for info in zipped.infolist() if not info.is_dir()]
    except (*DAMAGE, ValueError) as error:
        raise UsageError(f"import: {name} is a damaged zip ({error}); download it again") from None
    if files and all(info.flag_bits & 1 for info in files):
        raise UsageError(f"import: {name} is encrypted; unpack it with its password and give the folder")
    # There may be half a million: what is not asked for again is not held.
    zipped.filelist.clear()
    zipped.NameToInfo.clear()
    for info in files:
        info.date_time, info.extra, info.comment = NO_DATE, b"", b""
    return ZipSource(zipped), files


def path_in_zip(info: zipfile.ZipInfo) -> str:
    """The member's name; one in UTF-8 that does not say so, as macOS writes it, is read as such."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/").removeprefix("./")


def _check_directory(file: IO[bytes], name: str) -> None:
    """Refuse a zip with a list of members that is cut off or too long, before `zipfile` reads it all into memory.

    The end of a zip says how long the list is (PKWARE's APPNOTE, 4.3.16; 4.3.14 where the numbers are large).
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 65_557, 0))
    end = file.read()
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 22:
        raise UsageError(f"import: {name} is cut off: it has no list of its files; download it again")
    length, start = struct.unpack_from("<II", end, at + 12)
    if 0xFFFFFFFF in (length, start) and (large := end.rfind(b"PK\x06\x06", 0, at)) >= 0 and at - large >= 56:
        length = struct.unpack_from("<Q", end, large + 40)[0]
        at = large
    too_many = f"import: {name} has over {MAX_MEMBERS:,} files; unpack it and import it in parts"
    if length > MAX_DIRECTORY:
        raise UsageError(too_many)
    file.seek(max(size - len(end) + at - length, 0))
    count, before = 0, b""
    while length > 0 and (block := file.read(min(length, MIB))):
        length -= len(block)
        count += (before + block).count(b"PK\x01\x02")
        before = block[-3:]
    if count > MAX_MEMBERS:
        raise UsageError(too_many)
    file.seek(0)
