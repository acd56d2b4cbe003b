"""Which files of a repository are worth reading, and their text exactly as it stands there.

Left out are files that nobody wrote by hand or that are no text, each with its reason. The names follow
gitignore's rules (pathspec) and the types `identify`; both know more conventions than a list of ours would.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from llm_twin.collect.repositories.git import Entry
from llm_twin.collect.repositories.languages import CODE, language_of
from llm_twin.collect.repositories.licences import licence_of
from llm_twin.collect.repositories.notebooks import BrokenNotebook, notebook_to_markdown

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LeftOut = Literal[
    "vendored",
    "generated",
    "minified",
    "lock_file",
    "licence",
    "image",
    "binary",
    "too_large",
    "lfs_pointer",
    "symlink",
    "submodule",
    "broken_notebook",
    "empty",
    "bad_path",
]

NAMES: Mapping[LeftOut, str] = {
    "vendored": """
        node_modules/ bower_components/ jspm_packages/ vendor/ third_party/ third-party/ thirdparty/ 3rdparty/
        site-packages/ .venv/ venv/ .yarn/ .pnp.* Pods/ Carthage/ gradlew gradlew.bat mvnw mvnw.cmd""",
    "generated": """
        dist/ __pycache__/ *.egg-info/ .next/ .nuxt/ .svelte-kit/ htmlcov/ _build/ .ipynb_checkpoints/ __snapshots__/
        *.snap *.map *_pb2.py *_pb2.pyi *_pb2_grpc.py *.pb.go *.pb.cc *.pb.h *.g.dart *.freezed.dart *.Designer.cs
        *.generated.*""",
    "minified": "*.min.js *.min.mjs *.min.css *-min.js *-min.css *.bundle.js",
    "lock_file": """
        *.lock package-lock.json npm-shrinkwrap.json pnpm-lock.yaml bun.lockb deno.lock go.sum go.work.sum pylock.toml
        pylock.*.toml conda-lock.yml Package.resolved packages.lock.json gradle.lockfile .terraform.lock.hcl""",
}

LFS_VERSION = b"version https://git-lfs.github.com/spec/"
MAX_POINTER = 1024  # bytes, by the specification of Git LFS
# A notebook's pictures are dropped, so the limit for files holds for what remains of it.
NOTEBOOK_FACTOR = 10
# linguist, the library behind GitHub's language statistics, draws the line for scripts and style sheets here.
MINIFIED_LINE = 110  # characters a line, on average
GENERATED = re.compile(r"^.{0,9}Code generated .* DO NOT EDIT\b|^\W{0,9}@generated\b", re.M)  # Go's, Meta's mark
HEAD = 2000  # characters in which such a mark stands
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
LEGACY = ["cp1252", "cp1250", "cp1251", "koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]


@dataclass(frozen=True)
class SourceFile:
    """A kept file. But for a byte order mark, and notebooks aside, `text.encode(encoding)` gives its bytes."""

    path: str
    raw_path: bytes
    text: str
    language: str | None
    encoding: str
    size: int  # bytes; of a notebook, those of its text
    notebook_language: str | None = None


def path_of(entry: Entry) -> str:
    """The path as text; bytes that are not UTF-8 stay visible as `\\xff`."""
    return entry.path.decode("utf-8", "backslashreplace")


def unread_because(entry: Entry, attributes: Mapping[tuple[bytes, str], bool], max_file_bytes: int) -> LeftOut | None:
    """Why an entry need not even be read, by its name, type, size and what `.gitattributes` says about it."""
    from identify.identify import tags_from_filename

    if entry.mode == "120000":
        return "symlink"
    if entry.mode == "160000":
        return "submodule"
    path = path_of(entry)
    vendored, generated = (attributes.get((entry.path, f"linguist-{what}")) for what in ("vendored", "generated"))
    if vendored or generated:
        return "vendored" if vendored else "generated"
    reason = _by_name(path)
    if reason and (reason, False) not in (("vendored", vendored), ("generated", generated), ("minified", generated)):
        return reason
    if not entry.size:
        return "empty"
    if entry.size < MAX_POINTER:
        return None  # may be the pointer to a large file, whatever its name
    tags = tags_from_filename(path)
    if tags & {"image", "binary"}:
        return "image" if "image" in tags else "binary"
    factor = NOTEBOOK_FACTOR if "jupyter" in tags else 1
    return "too_large" if entry.size > factor * max_file_bytes else None


def read_source(entry: Entry, data: bytes, max_file_bytes: int) -> SourceFile | LeftOut:
    """The file as text, or why it is left out."""
    from identify.identify import tags_from_filename

    path = path_of(entry)
    tags = tags_from_filename(path)
    if len(data) < MAX_POINTER and data.startswith(LFS_VERSION):
        return "lfs_pointer"
    if tags & {"image", "binary"}:
        return "image" if "image" in tags else "binary"
    decoded = decode(data)
    if decoded is None:
        return "binary"
    text, encoding = decoded
    if not text.strip():
        return "empty"
    language = language_of(path, data)
    notebook_language, size = None, len(data)
    if "jupyter" in tags:
        try:
            text, notebook_language = notebook_to_markdown(text)
        except BrokenNotebook:
            return "broken_notebook"
        if not text.strip():
            return "empty"
        size = len(text.encode())
        if size > max_file_bytes:
            return "too_large"
    elif language not in CODE.values() and licence_of(path, text):
        return "licence"
    elif language in ("JavaScript", "CSS") and len(text) > MINIFIED_LINE * (text.count("\n") + 1):
        return "minified"
    elif GENERATED.search(text[:HEAD]):
        return "generated"
    return SourceFile(path, entry.path, text, language, encoding, size, notebook_language)


def decode(data: bytes) -> tuple[str, str] | None:
    """Text and its encoding; None when it is binary. Every byte is kept, but for a byte order mark."""
    from identify.identify import is_text

    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            try:
                text = data[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                return None
            return (text, encoding) if "\0" not in text and is_text(BytesIO(text.encode())) else None
    if b"\0" in data or not is_text(BytesIO(data)):
        return None
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    for encoding in (_legacy_encoding(data), "cp1252"):
        try:
            text = data.decode(encoding)
            if text.encode(encoding) == data:
                return text, encoding
        except UnicodeError:
            continue
    return data.decode("latin-1"), "latin-1"


def _legacy_encoding(data: bytes) -> str:
    # Guessing is sound only for writings that consist of such bytes; single ones are an accent in a Western text.
    if not re.search(rb"[\x80-\xff]{4}", data):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=LEGACY).best()
    return best.encoding if best else "cp1252"


@cache
def _patterns() -> tuple[GitIgnoreSpec, list[LeftOut]]:
    from pathspec import GitIgnoreSpec

    pairs = [(pattern, reason) for reason, patterns in NAMES.items() for pattern in patterns.split()]
    return GitIgnoreSpec.from_lines(pattern for pattern, _ in pairs), [reason for _, reason in pairs]


def _by_name(path: str) -> LeftOut | None:
    spec, reasons = _patterns()
    index = spec.check_file(path).index
    return None if index is None else reasons[index]
