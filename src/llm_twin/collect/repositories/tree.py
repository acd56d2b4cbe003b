"""A repository's files as an indented tree that stays short however many there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

MAX_LINES = 400
DEEPEST = 12  # folders within each other; what lies deeper is only counted

Folder = tuple[str, ...]


def tree(paths: Iterable[str], max_lines: int = MAX_LINES) -> str:
    """One line for each file and folder. Where they are too many, folders stay closed and say how many files they hold.

    Higher folders are opened before deeper ones, and small ones before large ones.
    """
    files: defaultdict[Folder, set[str]] = defaultdict(set)
    folders: defaultdict[Folder, set[str]] = defaultdict(set)
    inside = Counter[Folder]()
    for path in paths:
        *names, file = shown(path).split("/")
        files[tuple(names[:DEEPEST])].add(file)
        for level, name in enumerate(names[:DEEPEST]):
            folders[tuple(names[:level])].add(name)
            inside[tuple(names[: level + 1])] += 1

    opened: set[Folder] = set()
    waiting: list[tuple[int, int, Folder]] = [(0, 0, ())]
    lines = 0
    while waiting:
        depth, _, folder = heappop(waiting)
        size = len(files[folder]) + len(folders[folder])
        if depth == DEEPEST or (folder and lines + size > max_lines):
            continue
        opened.add(folder)
        lines += size
        for name in folders[folder]:
            inner = (*folder, name)
            heappush(waiting, (depth + 1, len(files[inner]) + len(folders[inner]), inner))

    def walk(folder: Folder) -> Iterator[str]:
        indent = "  " * len(folder)
        yield from (f"{indent}{name}" for name in sorted(files[folder]))
        for name in sorted(folders[folder]):
            inner = (*folder, name)
            if inner in opened:
                yield f"{indent}{name}/"
                yield from walk(inner)
            else:
                yield f"{indent}{name}/ ({inside[inner]:,} files)"

    found = list(walk(()))
    if len(found) > max_lines:  # the root folder alone
        found[max_lines:] = [f"… and {len(found) - max_lines:,} more"]
    return "\n".join(found)


def shown(path: str) -> str:
    """The path on one line: control characters, line ends and the like become escapes."""
    if path.isprintable():
        return path
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in path)
