"""Outlines of source files, by tree-sitter, told by a process of its own: `python -m llm_twin.features.syntax`.

A parser for hostile text must be bounded, and some grammars can't be from inside: 100 kB of `a<` cost Java's several
gigabytes in one step. So the process limits its own memory, and is ended from outside when it takes too long.

An outline is a list of [row, cost of a cut before it, name, outline of what is inside]. Every entry begins a line.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from llm_twin.features.costs import CLOSING, GLUED, INTRODUCED, LINE, PARAGRAPH, SECTION

if TYPE_CHECKING:
    from tree_sitter import Language, Node

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
DEPTH = 40  # of outlines within outlines
MAX_SECONDS = 5.0  # of CPU for a file; a megabyte of honest source takes one
MAX_MEMORY = 1_500_000_000  # bytes of address space; a megabyte of honest source takes 0.3 GB

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

Outline = list[tuple[int, float, str, "Outline"]]


def main() -> None:
    """Answer requests until the input ends: a line of JSON with language and size, then the file; one line each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    with suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        data = sys.stdin.buffer.read(request["size"])
        sys.stdout.buffer.write(json.dumps(outline(data, request["language"])).encode() + b"\n")
        sys.stdout.buffer.flush()


def outline(data: bytes, language: str) -> Outline:
    """The outline of a file; an empty one where it would take too long."""
    from tree_sitter import Parser

    deadline = time.process_time() + MAX_SECONDS

    def read(offset: int, _point: object) -> bytes:
        return data[offset : offset + 65_536]

    try:
        tree = Parser(_grammar(language)).parse(read, progress_callback=lambda *_: time.process_time() > deadline)
    except ValueError:  # stopped
        return []
    return _outline(tree.root_node, data.split(b"\n"), 0)


@cache
def _grammar(name: str) -> Language:
    from tree_sitter import Language

    module, function = GRAMMARS[name]
    return Language(getattr(import_module(module), function)())


def _outline(node: Node, lines: Sequence[bytes], depth: int) -> Outline:
    """What is in a node; nothing where it has no finer parts that begin lines, or lies too deep."""
    found = _beginning_lines(node, lines) if depth < DEPTH and node.end_point.row > node.start_point.row else []
    if len(found) < 2 and not any(map(_name, found)):
        return []
    own = _name(node)
    names = [_name(inner) for inner in found]
    if node.type in WRAPPERS:  # has the name of what it wraps
        names = ["" if name == own else name for name in names]
    entries: Outline = []
    leading = 0  # comments and decorators at the end of `entries` that belong to what follows
    for number, (inner, name) in enumerate(zip(found, names, strict=True)):
        row = inner.start_point.row
        cut = _cut(found[number - 1], inner, any(names[number - 1 : number + 1]), lines, depth) if number else SECTION
        if number == 1 and (own or not found[0].is_named):
            cut = GLUED  # to the line that opens it
        inside = _outline(inner, lines, depth + 1)
        if name and leading and cut == GLUED:
            first, cost = entries[-leading][:2]
            inside = [*entries[-leading:], (row, GLUED, "", inside)]
            del entries[-leading:]
            row, cut = first, GLUED if cost == GLUED else SECTION
        leading = (leading if cut == GLUED else 0) + 1 if LEADING.fullmatch(inner.type) else 0
        entries.append((row, cut, name, inside))
    return entries


def _beginning_lines(node: Node, lines: Sequence[bytes]) -> list[Node]:
    """The highest nodes in `node` that begin a line, at most one of each line."""
    found: list[Node] = []
    row = -1
    waiting = list(reversed(node.children))
    while waiting:
        inner = waiting.pop()
        start, end = inner.start_point, inner.end_point
        same = (inner.start_byte, inner.end_byte) == (node.start_byte, node.end_byte) and not _name(inner)
        if start.row > row and not same and not lines[start.row][: start.column].strip():
            found.append(inner)
            row = start.row
        elif same or end.row > max(row, start.row):
            waiting += reversed(inner.children)
    return found


def _cut(before: Node, after: Node, named: bool, lines: Sequence[bytes], depth: int) -> float:
    row = after.start_point.row
    blank = not lines[row - 1].strip()
    if not blank and LEADING.fullmatch(before.type):
        return GLUED
    if CLOSING.match(lines[row].decode("utf-8", "replace")):
        return GLUED
    if named:
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
    return " ".join(text[:200].decode("utf-8", "replace").split()) if text else ""


if __name__ == "__main__":
    main()
