"""The blocks of a Markdown text, by markdown-it: sections within sections, then paragraphs, lists, tables, code."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import pairwise

from markdown_it import MarkdownIt

from llm_twin.features.blocks import LINE_END, Block
from llm_twin.features.costs import GLUED, INTRODUCED, ITEM, PARAGRAPH, ROW, SECTION

NESTING = 8  # of lists and quotes; deeper ones are lines of what they stand in
FRONT_MATTER = re.compile(r"---[ \t]*\n(?:.*\n){0,200}?---[ \t]*(?:\n|\Z)")
CODE = frozenset({"fence", "code_block", "html_block"})
READ = frozenset({"text", "code_inline", "image"})  # inline tokens with words of their own
PARTED = frozenset({"bullet_list", "ordered_list", "list_item", "blockquote"})


@dataclass(slots=True)
class _Node:
    """A block token of markdown-it with what is in it."""

    kind: str
    line: int
    level: int = 0  # of a heading
    content: str = ""
    inside: list[_Node] = field(default_factory=list)


def markdown_blocks(text: str) -> Block:
    """The whole text as one block. Sections are named by their headings."""
    front = FRONT_MATTER.match(text)
    offset = front.end() if front else 0
    starts = [offset, *(found.end() for found in LINE_END.finditer(text, offset)), len(text)]
    nodes = _nodes(text[offset:])
    edges = [offset, *(starts[node.line] for node in nodes[1:]), len(text)]
    tops = list(zip(nodes, pairwise(edges), strict=False)) if nodes else []
    items: list[tuple[_Node, Block]] = []
    for node, (start, end) in tops:
        block = _block(node, start, end, starts)
        items.append((node, _after(items[-1][0], block) if items else block))
    inside = _sections(items, len(text)) if items else [Block(offset, len(text))]
    if front:
        inside = [Block(0, offset, lines=True), *inside]
    return Block(0, len(text), SECTION, parts=lambda: inside)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": NESTING}).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


@cache
def _inline() -> MarkdownIt:
    return MarkdownIt("commonmark")


def plain(markdown: str) -> str:
    """A heading or table cell as a reader sees it: no marks, no targets of links."""
    tokens = _inline().parseInline(markdown)[0].children or []
    words = (token.content if token.type in READ else " " * token.type.endswith("break") for token in tokens)
    return " ".join("".join(words).split())


def _nodes(text: str) -> list[_Node]:
    top = _Node("", 0)
    stack = [top]
    for token in _parser().parse(text):
        if token.nesting == -1:
            stack.pop()
        elif token.type == "inline":
            stack[-1].content = token.content
        else:
            kind = token.type.removesuffix("_open")
            line = token.map[0] if token.map else stack[-1].line
            node = _Node(kind, line, int(token.tag[1]) if kind == "heading" else 0, token.content)
            stack[-1].inside.append(node)
            if token.nesting == 1:
                stack.append(node)
    return top.inside


def _block(node: _Node, start: int, end: int, starts: Sequence[int]) -> Block:
    if node.kind in CODE:
        return Block(start, end, lines=True, firm=True)
    if node.kind == "table":
        return Block(start, end, firm=True, parts=partial(_rows, node, start, end, starts))
    if node.kind in PARTED and node.inside:
        item = node.kind == "list_item"
        return Block(
            start, end, ITEM if item else PARAGRAPH, firm=item, parts=partial(_inside, node, start, end, starts)
        )
    return Block(start, end)


def _inside(node: _Node, start: int, end: int, starts: Sequence[int]) -> list[Block]:
    edges = [start, *(max(start, starts[inner.line]) for inner in node.inside[1:]), end]
    blocks: list[Block] = []
    for index, (inner, (a, b)) in enumerate(zip(node.inside, pairwise(edges), strict=True)):
        block = _block(inner, a, b, starts)
        blocks.append(_after(node.inside[index - 1], block) if index else block)
    return blocks


def _rows(node: _Node, start: int, end: int, starts: Sequence[int]) -> list[Block]:
    """The header, and the other rows under the names of the columns."""
    rows = [row for part in node.inside for row in part.inside]
    if len(rows) < 2:
        return []
    columns = " | ".join(plain(cell.content) for cell in rows[0].inside)
    edges = [*(starts[row.line] for row in rows[1:]), end]
    inside = [Block(a, b, ROW, lines=True) for a, b in pairwise(edges)]
    return [Block(start, edges[0], lines=True), Block(edges[0], end, GLUED, columns, parts=lambda: inside)]


def _after(before: _Node, block: Block) -> Block:
    """The block with a cut before it made dearer where what stands before announces it."""
    announced = before.kind == "paragraph" and before.content.rstrip("*_ ").endswith(":")
    return replace(block, cut=INTRODUCED) if announced else block


def _sections(items: Sequence[tuple[_Node, Block]], end: int) -> list[Block]:
    """Headings take in what follows up to the next one of their level or above."""
    blocks: list[Block] = []
    index = 0
    while index < len(items):
        node, block = items[index]
        index += 1
        if not node.level:
            blocks.append(block)
            continue
        last = next((i for i in range(index, len(items)) if 0 < items[i][0].level <= node.level), len(items))
        stop = items[last][1].start if last < len(items) else end
        inside = _sections(items[index:last], stop)
        if inside:
            inside[0] = replace(inside[0], cut=GLUED)
        blocks.append(Block(block.start, stop, SECTION, plain(node.content), parts=_constant([block, *inside])))
        index = last
    return blocks


def _constant(blocks: list[Block]) -> Callable[[], list[Block]]:
    return lambda: blocks
