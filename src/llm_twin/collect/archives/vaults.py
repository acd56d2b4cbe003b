"""What a collection of notes is called, which makes the links of those that were never published.

After its folder: the same as a folder, zipped, and zipped again another day; a part of it, or one file, after what it
is a part of, where that is known.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from urllib.parse import quote

from llm_twin.collect.archives.container import Archive
from llm_twin.collect.archives.formats import NO_SITE, Wanted
from llm_twin.collect.archives.plain import words
from llm_twin.errors import UsageError

# What stands behind a zip's name when it is made or downloaded again: `vault (2)`, `vault-2024-05-01`.
MOMENT = r"20\d\d[-_.]?\d\d[-_.]?\d\d(?:[T_ -]?\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?Z?)?"
COPY = re.compile(rf"(?:[ _.-]*(?:\(\d{{1,3}}\)|{MOMENT}(?:-\d{{3}})?))+$")
TARGET = re.compile(r"\]\([^()\s]{0,2000}\)")  # of a link: notes that it leads to may have moved
LOOKED_AT = 100  # notes, to find out which collection they are of
FOLDERS_UP = 5
WORDS = 3  # of a line that two notes do not have in common by chance


def top_of(archive: Archive, paths: list[str]) -> str:
    """The folder in a zip that all notes lie in, with a slash; "" where there is none."""
    tops = {path.partition("/")[0] if "/" in path else "" for path in paths}
    return f"{top}/" if archive.path.is_file() and len(tops) == 1 and (top := tops.pop()) else ""


def base_of(
    archive: Archive, paths: list[str], wanted: Wanted, name_of: Callable[[str], str], text_of: Callable[[str], str]
) -> str:
    """The link that those of the notes at `paths` begin with; `name_of` gives the rest, `text_of` a note's text.

    Raises `UsageError` where other notes have taken it: two folders of one name are two collections.
    """
    names, usual = _names(archive, paths)
    taken: dict[str, str] = {}  # by name: a note that is stored, and another one
    for name in names:
        same = {
            link: _same(text, text_of(path))
            for path in paths[:LOOKED_AT]
            if (text := wanted.stored(link := _base(name) + name_of(path))) is not None
        }
        if same and 2 * sum(same.values()) >= len(same):
            return _base(name)
        if same:
            taken[name] = next(link for link, is_it in same.items() if not is_it)
    if usual in taken:
        raise UsageError(
            f"import: other notes than those of {archive.path} are stored under {_base(usual)} already; rename its"
            " folder, or say where it is published with --site LINK; where it is the same, written anew:"
            f" twin forget {shlex.quote(taken[usual])} --yes"
        )
    return _base(usual)


def _base(name: str) -> str:
    return f"{NO_SITE}{quote(name, safe='/')}/"


def _names(archive: Archive, paths: list[str]) -> tuple[list[str], str]:
    """What a collection may be called, and what it is called where none of that is known: after the folder, after a
    vault of Obsidian's that the folder is in.
    """
    folder = archive.path.resolve()
    if archive.path.is_file():
        if list(archive.members) != [archive.path.name]:  # a zip
            stem = archive.name.rpartition(".")[0]
            name = top_of(archive, paths).rstrip("/") or COPY.sub("", stem) or stem
            return [name], name
        folder = folder.parent
    above = [each for each in (folder, *folder.parents) if each.name][:FOLDERS_UP]
    names = [folder.relative_to(each.parent).as_posix() for each in above]
    vaults = (name for name, each in zip(names, above, strict=True) if (each / ".obsidian").is_dir())
    return names, next(vaults, names[0] if names else "notes")


def _same(stored: str, text: str) -> bool:
    """Whether a text is of the note that is stored, as it is or edited: by a line, or half of the words."""
    before, after = (re.sub(TARGET, "]", each).splitlines() for each in (stored, text))
    one, other = ([words(line) for line in lines if not line.startswith("#")] for lines in (before, after))
    if {line for line in one if line.count(" ") >= WORDS - 1} & set(other):
        return True
    mine, theirs = set(" ".join(one).split()), set(" ".join(other).split())
    return 2 * len(mine & theirs) >= max(len(mine), len(theirs))
