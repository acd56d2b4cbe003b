"""The path of a chunk's headings as one line, kept short: it takes its share of what the model reads."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

BETWEEN = " › "
LEFT_OUT = "…"


def common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The path that two paths share."""
    if first == second:
        return first
    same = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        same += 1
    return first[:same]


def fitted(parts: Sequence[str], limit: int, tokenizer: Tokenizer) -> str:
    """The path in at most `limit` tokens.

    What is left out: of a file's path the first folders, then the middle of the headings, then the ends of long names.
    """

    def size(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    if size(whole := BETWEEN.join(parts)) <= limit:
        return whole
    parts = [_last_folder(part) if part != parts[0] else part for part in parts]
    if size(whole := BETWEEN.join(parts)) <= limit:
        return whole
    for kept in range(len(parts) - 2, 0, -1):
        if size(whole := BETWEEN.join([parts[0], LEFT_OUT, *parts[-kept:]])) <= limit:
            return whole
    ends = [parts[0], parts[-1]] if len(parts) > 1 else [parts[0]]
    for share in range(limit, 0, -1):
        whole = BETWEEN.join(_shortened(end, share, tokenizer) for end in ends)
        if size(whole) <= limit:
            return whole
    return ""


def _last_folder(part: str) -> str:
    segments = part.split("/")
    return "/".join([LEFT_OUT, *segments[-2:]]) if len(segments) > 2 and " " not in part else part


def _shortened(text: str, limit: int, tokenizer: Tokenizer) -> str:
    """The first `limit` tokens, in whole words if there is more than one."""
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    if len(offsets) <= limit:
        return text
    begin = text[: offsets[limit][0]]
    if " " in begin and not begin[-1].isspace():  # a word is torn
        begin = begin[: begin.rfind(" ")]
    return begin.rstrip() + LEFT_OUT
