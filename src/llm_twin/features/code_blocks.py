"""The blocks of a source file, by tree-sitter: definitions within definitions, below them statements and lines.

Every block begins where a line begins. As in cAST (Zhang et al., 2025) the syntax tree is followed down only where a
node does not fit.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from llm_twin.features.blocks import CLOSING, GLUED, INTRODUCED, LINE, PARAGRAPH, SECTION, Block

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Tree

# A document's language -> module of its grammar and function in it. All are in wheels, nothing is fetched.
GRAMMARS: Mapping[str, tuple[str, str]] = {
    "Python": ("tree_sitter_python", "language"),
    "JavaScript": ("tree_sitter_javascript", "language"),
    "TypeScript": ("tree_sitter_typescript", "language_typescript"),
    "TSX": ("tree_sitter_typescript", "language_tsx"),
    "Go": ("tree_sitter_go", "language"),
    "Rust": ("tree_sitter_rust", "language"),
    "Java": ("tree_sitter_java", "language"),
    "C": ("tree_sitter_c", "language"),
    "C++": ("tree_sitter_cpp", "language"),
    "Cuda": ("tree_sitter_cpp", "language"),
    "C#": ("tree_sitter_c_sharp", "language"),
    "Ruby": ("tree_sitter_ruby", "language"),
    "PHP": ("tree_sitter_php", "language_php"),
    "Shell": ("tree_sitter_bash", "language"),
}
LONG_LINES = 400  # characters, on average: a file that nobody wrote by hand has no lines to cut at
DEPTH = 40  # of blocks within blocks; what is deeper is cut by lines
# What a file may cost before it is cut by lines. Some grammars need time and memory that grow with the square of a
# hostile text (20 kB of `a<a<a<` cost Java's 1 GB); a megabyte of honest source takes a second and 200 MB.
MAX_SECONDS = 10.0  # of this thread's CPU
MAX_GROWTH = 500_000_000  # bytes by which parsing may raise the peak of the process's memory

# Types of nodes that define something, in the words of all these grammars; they count where they have a name.
DEFINITION = re.compile(
    r"(?:\w+_)?(?:function|method|class|interface|struct|enum|union|trait|impl|mod|module|namespace|record|constructor"
    r"|macro|delegate|property|type)(?:_alias)?(?:_(?:definition|declaration|item|specifier|spec|signature))?"
)
WRAPPERS = frozenset({"decorated_definition", "export_statement", "template_declaration", "type_declaration"})
VALUES = frozenset({"arrow_function", "function_expression", "generator_function", "class"})  # of `const f = …`
LEADING = re.compile(r"\w*(?:comment|decorator|attribute|annotation)\w*")  # stays with what follows
IMPORT = re.compile(r"\w*(?:import|use_declaration|using|include|package)\w*")
RECEIVER = re.compile(r"(\w+)(?:\[[^]]*\])?\s*\)$")  # of Go: `(s *Server[T])`


class _Source(NamedTuple):
    text: str
    lines: Sequence[int]  # where each starts, in characters


def code_blocks(text: str, language: str | None, path: str) -> Block:
    """The whole file as one block. Definitions are named; a file in no known language has lines only."""
    name = "TSX" if path.endswith(".tsx") else language or ""
    lines = [0, *(found.end() for found in re.finditer("\n", text))]
    if name not in GRAMMARS or len(text) > LONG_LINES * len(lines):
        return Block(0, len(text), SECTION, lines=True)
    tree = _parsed(text.encode("utf-8", "replace"), name)
    if not tree:
        return Block(0, len(text), SECTION, lines=True)
    inside = partial(_parts, tree.root_node, 0, len(text), _Source(text, lines), 0)
    return Block(0, len(text), SECTION, parts=inside, lines=True)


@cache
def _grammar(name: str) -> Language:
    from tree_sitter import Language

    module, function = GRAMMARS[name]
    return Language(getattr(import_module(module), function)())


def _parsed(data: bytes, name: str) -> Tree | None:
    """The syntax tree; None when it would take too much time or memory."""
    from tree_sitter import Parser

    deadline = time.thread_time() + MAX_SECONDS
    most = _peak_memory() + MAX_GROWTH

    def too_much(_offset: int, _error: bool) -> bool:
        return time.thread_time() > deadline or _peak_memory() > most

    def read(offset: int, _point: object) -> bytes:
        return data[offset : offset + 65_536]

    try:
        return Parser(_grammar(name)).parse(read, progress_callback=too_much)
    except ValueError:  # stopped
        return None


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _parts(node: Node, start: int, end: int, source: _Source, depth: int) -> list[Block]:
    """The blocks of a node; none where it has no finer ones, or lies too deep."""
    found = _beginning_lines(node, source) if depth < DEPTH else []
    if len(found) < 2:
        return []
    named = "" if node.type in WRAPPERS else _name(node)
    edges = [start, *(source.lines[inner.start_point.row] for inner in found[1:]), end]
    blocks: list[Block] = []
    leading = 0  # comments and decorators at the end of `blocks` that belong to what follows
    for number, (inner, (first, last)) in enumerate(zip(found, pairwise(edges), strict=True)):
        cut = _cut(found[number - 1], inner, source, depth) if number else SECTION
        if number == 1 and (named or not found[0].is_named):
            cut = GLUED  # the line that opens it
        name = "" if node.type in WRAPPERS else _name(inner)
        block = Block(first, last, cut, name, partial(_parts, inner, first, last, source, depth + 1), lines=True)
        if name and leading and cut == GLUED:
            *blocks, block = _with_leading(blocks, leading, block)
        leading = (leading if cut == GLUED else 0) + 1 if LEADING.fullmatch(inner.type) else 0
        blocks.append(block)
    return blocks


def _with_leading(blocks: list[Block], leading: int, block: Block) -> list[Block]:
    """The blocks with the last `leading` of them, and the definition that they belong to, as one."""
    inside = [*blocks[-leading:], replace(block, name="")]
    cut = GLUED if inside[0].cut == GLUED else SECTION
    whole = Block(inside[0].start, block.end, cut, block.name, lambda: inside, lines=True)
    return [*blocks[:-leading], whole]


def _beginning_lines(node: Node, source: _Source) -> list[Node]:
    """The highest nodes in `node` that begin a line, at most one of each line."""
    found: list[Node] = []
    row = -1
    waiting = list(reversed(node.children))
    while waiting:
        inner = waiting.pop()
        start, end = inner.start_point, inner.end_point
        same = (inner.start_byte, inner.end_byte) == (node.start_byte, node.end_byte)
        line = source.lines[start.row]
        if start.row > row and not same and not source.text[line : line + start.column].strip():
            found.append(inner)
            row = start.row
        elif same or end.row > max(row, start.row):
            waiting += reversed(inner.children)
    return found


def _cut(before: Node, after: Node, source: _Source, depth: int) -> float:
    line = source.lines[after.start_point.row]
    blank = not source.text[source.lines[after.start_point.row - 1] : line].strip()
    if not blank and LEADING.fullmatch(before.type):
        return GLUED
    if CLOSING.match(source.text, line):
        return GLUED
    if _name(before) or _name(after):
        return SECTION
    if IMPORT.fullmatch(before.type) and IMPORT.fullmatch(after.type):
        return INTRODUCED
    return (PARAGRAPH if blank else LINE) + 0.03 * depth


def _name(node: Node) -> str:
    """The name that a definition adds to the path; "" for any other node."""
    if node.type in WRAPPERS:
        return next((name for inner in node.named_children if (name := _name(inner))), "")
    if node.type in ("lexical_declaration", "variable_declaration"):
        for inner in node.named_children:
            value = inner.child_by_field_name("value")
            if value and value.type in VALUES:
                return _text(inner.child_by_field_name("name"))
        return ""
    if not node.is_named or not DEFINITION.fullmatch(node.type):
        return ""
    name = _text(node.child_by_field_name("name"))
    if name:
        receiver = RECEIVER.search(_text(node.child_by_field_name("receiver")))
        return f"{receiver.group(1)}.{name}" if receiver else name
    if declarator := node.child_by_field_name("declarator"):  # of C: int *f(int a)
        while finer := declarator.child_by_field_name("declarator"):
            declarator = finer
        return _text(declarator)
    return _text(node.child_by_field_name("type")) if node.type == "impl_item" else ""


def _text(node: Node | None) -> str:
    text = node.text if node else None
    return " ".join(text.decode("utf-8", "replace").split()) if text else ""
