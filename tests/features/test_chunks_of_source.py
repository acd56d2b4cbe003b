"""Chunks of source files follow their definitions, in all languages that have a grammar; any file is bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from llm_twin.collect.repositories.languages import language_of
from llm_twin.documents import Chunk, Document
from llm_twin.features.chunk import Chunker, repository_of
from llm_twin.features.syntax import GRAMMARS

Make = Callable[..., Document]

SOURCE = Path(__file__).parents[2] / "src/llm_twin"
LINK = "https://github.com/ada/engine/blob/main/"


def chunks_of(chunker: Chunker, make: Make, text: str, path: str) -> tuple[Chunk, ...]:
    return chunker.chunk(make(text, "code", path, link=LINK + path, language=language_of(path, text.encode())))


# Of each language a file with a class or the like, whose method has a comment above and a body that does not fit.
BODY = "\n".join(f"    call_number({n}, another_argument);" for n in range(20))
PYTHON = BODY.replace("    ", "        ")
SHELL = BODY.replace("(", " ").replace(", another_argument);", " another argument")
FILES = {
    "a.py": (
        "class Mill:\n    # Turns.\n    @cached\n    def turn(self):\n" + BODY.replace("    ", "        "),
        "Mill.turn",
    ),
    "a.js": ("class Mill {\n  // Turns.\n  turn() {\n" + BODY + "\n  }\n}\n", "Mill.turn"),
    "a.ts": ("export class Mill {\n  // Turns.\n  @cached()\n  turn(): void {\n" + BODY + "\n  }\n}\n", "Mill.turn"),
    "a.tsx": ("// Turns.\nexport const Turn = (a: A) => {\n" + BODY + "\n  return <p>{a}</p>;\n};\n", "Turn"),
    "a.go": ("package mill\n\n// Turns.\nfunc (m *Mill) Turn() {\n" + BODY + "\n}\n", "Mill.Turn"),
    "a.rs": ("impl Mill {\n    /// Turns.\n    #[inline]\n    fn turn(&self) {\n" + BODY + "\n    }\n}\n", "Mill.turn"),
    "A.java": ("class Mill {\n  // Turns.\n  @Override\n  void turn() {\n" + BODY + "\n  }\n}\n", "Mill.turn"),
    "a.c": ("#include <a.h>\n\n// Turns.\nstatic int *turn(int a)\n{\n" + BODY + "\n}\n", "turn"),
    "a.cpp": ("namespace n {\n// Turns.\ntemplate <class T>\nvoid turn() {\n" + BODY + "\n}\n}\n", "n.turn"),
    "a.cs": ("class Mill\n{\n  // Turns.\n  [Cached]\n  void Turn()\n  {\n" + BODY + "\n  }\n}\n", "Mill.Turn"),
    "a.rb": ("class Mill\n  # Turns.\n  def turn\n" + BODY + "\n  end\nend\n", "Mill.turn"),
    "a.php": ("<?php\nclass Mill {\n  // Turns.\n  function turn() {\n" + BODY + "\n  }\n}\n", "Mill.turn"),
    "a.sh": ("set -e\n\n# Turns.\nturn() {\n" + SHELL + "\n}\n", "turn"),
}


@pytest.mark.parametrize("path", FILES)
def test_a_definition_is_known_by_its_name_and_keeps_its_comment(
    make_chunker: Callable[..., Chunker], document: Make, path: str
) -> None:
    text, name = FILES[path]
    chunks = chunks_of(make_chunker(chunk_tokens=80), document, text, path)
    assert "".join(chunk.text for chunk in chunks) == text
    inside = [chunk for chunk in chunks if "call_number" in chunk.text]
    assert len(inside) > 1
    assert inside[1].heading == f"ada/engine › {path} › {name}"
    assert "Turns." in inside[0].text
    assert all(chunk.text.endswith("\n") for chunk in chunks[:-1])


def test_every_grammar_is_installed_and_tried() -> None:
    tried = {language_of(path, b"") for path in FILES} | {"TSX", "Cuda"}
    assert tried == set(GRAMMARS)


def test_small_definitions_share_a_chunk_and_imports_stay_together(chunker: Chunker, document: Make) -> None:
    imports = "".join(f"import module_{n}\n" for n in range(12))
    small = "".join(f"\n\ndef function_{n}(a):\n    return a + {n}\n" for n in range(30))
    chunks = chunks_of(chunker, document, imports + small, "a.py")
    assert imports in chunks[0].text
    assert len(chunks) <= 3
    assert all(chunk.text.startswith(("def ", "import ")) for chunk in chunks)


def test_the_projects_own_source_is_cut_at_definitions(chunker: Chunker, document: Make) -> None:
    total = torn = 0
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text()
        if not text.strip():
            continue
        chunks = chunks_of(chunker, document, text, f"src/llm_twin/{file.relative_to(SOURCE)}")
        assert "".join(chunk.text for chunk in chunks) == text
        assert max(chunker.tokens(chunk.to_embed) for chunk in chunks) <= 254
        for before, after in pairwise(chunks):
            total += 1
            opening = after.text.lstrip()
            defines = opening.startswith(("def ", "class ", "async def ", "@", "#"))
            torn += not defines and before.heading != after.heading
    assert total > 300
    assert torn < total / 6


def test_a_changed_function_changes_a_few_chunks(chunker: Chunker, document: Make) -> None:
    text = (SOURCE / "warehouse/sqlite.py").read_text()
    lines = text.splitlines(keepends=True)
    before = {chunk.to_embed for chunk in chunks_of(chunker, document, text, "a.py")}
    changed = []
    for row in range(60, len(lines), 15):
        indent = lines[row][: len(lines[row]) - len(lines[row].lstrip())]
        edited = "".join([*lines[:row], f"{indent}# a remark on what happens in the next line\n", *lines[row:]])
        changed.append(len({chunk.to_embed for chunk in chunks_of(chunker, document, edited, "a.py")} - before))
    assert sum(changed) <= 2 * len(changed)
    assert max(changed) <= 6


def test_notebooks_and_markdown_files_are_cut_by_their_headings(chunker: Chunker, document: Make) -> None:
    text = "# Model\n\n" + "Words about it. " * 40 + "\n\n## Training\n\n```python\n" + "fit()\n" * 60 + "```\n"
    for language in ("Jupyter Notebook", "Markdown"):
        chunks = chunker.chunk(document(text, "code", "a.ipynb", link=LINK + "a.ipynb", language=language))
        assert chunks[-1].heading == "ada/engine › a.ipynb › Model › Training"


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://github.com/ada/engine/blob/main/src/a.py", "ada/engine"),
        ("https://gitlab.com/group/sub/engine/-/blob/main/a.py", "group/sub/engine"),
        ("https://codeberg.org/ada/engine/src/branch/main/a.py", "ada/engine"),
        ("https://git.example/ada/engine.git?file=src%2Fa.py", "ada/engine"),
        ("https://a.example/notes", ""),
    ],
)
def test_the_repository_of_a_file_is_read_from_its_link(link: str, name: str) -> None:
    assert repository_of(link) == name


MEGABYTE = 1_000_000
HOSTILE = {
    "minified.js": "function a(b,c){return b+c*2||{d:1,e:[1,2,3]}};" * (MEGABYTE // 100),
    "nested.js": "{\n" * 20_000,
    "brackets.py": "(" * (MEGABYTE // 4),
    "indented.py": "\n".join(" " * n + "if a:" for n in range(600)),
    # In one step of Java's parser this takes several gigabytes: the process that parses does not survive it.
    "Generics.java": "a<\n" * 25_000,
    "templates.cpp": "a<\n" * 25_000,
    "unknown.xyz": "a" * MEGABYTE,
}


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_file_takes_seconds(chunker: Chunker, document: Make, path: str) -> None:
    started = time.process_time()
    chunks = chunks_of(chunker, document, HOSTILE[path], path)
    assert time.process_time() - started < 20
    assert "".join(chunk.text for chunk in chunks) == HOSTILE[path]
    assert max(chunker.tokens(chunk.to_embed) for chunk in chunks) <= 254


def test_after_a_file_that_the_parser_did_not_survive_the_next_one_is_parsed(chunker: Chunker, document: Make) -> None:
    chunks_of(chunker, document, "a<\n" * 25_000, "A.java")
    text, _ = FILES["A.java"]
    assert "Mill" in chunks_of(chunker, document, text * 2, "A.java")[1].heading
