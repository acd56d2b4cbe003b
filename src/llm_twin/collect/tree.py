"""A repository's files as an indented tree that stays short however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

MAX_LINES = 400
DEEPEST = 12  # folders; where the whole tree is too long, deeper ones are summed up, then less and less deep ones


def tree(paths: Iterable[str], max_lines: int = MAX_LINES) -> str:
    """One line for each file and folder; folders too deep to show give how many files are in them."""
    split = sorted((tuple(shown(path).split("/")) for path in paths), key=_folders_last)
    if len(split) <= max_lines and len(lines := _lines(split, None)) <= max_lines:
        return "\n".join(lines)
    lines = []
    for depth in range(DEEPEST, 0, -1):
        lines = _lines(split, depth)
        if len(lines) <= max_lines:
            return "\n".join(lines)
    return "\n".join([*lines[:max_lines], f"… and {len(lines) - max_lines:,} more"])


def shown(path: str) -> str:
    """The path on one line: control characters, line ends and the like become escapes."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in path)


def _folders_last(parts: tuple[str, ...]) -> tuple[tuple[bool, str], ...]:
    return tuple((position < len(parts) - 1, part) for position, part in enumerate(parts))


def _lines(files: list[tuple[str, ...]], depth: int | None) -> list[str]:
    """The tree down to `depth` folders within each other."""
    inside = Counter(parts[:depth] for parts in files if depth and len(parts) > depth)
    lines: dict[tuple[str, ...], str] = {}
    for parts in files:
        for level in range(1, min(len(parts), depth or len(parts)) + 1):
            here = parts[:level]
            name = "  " * (level - 1) + here[-1]
            if level == len(parts):
                lines[here] = name
            elif here not in lines:
                count = f" ({inside[here]:,} files)" if here in inside else ""
                lines[here] = f"{name}/{count}"
    return list(lines.values())
