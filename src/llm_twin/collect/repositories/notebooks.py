"""Jupyter notebooks as readable Markdown: prose as it is, code fenced, outputs dropped."""

from __future__ import annotations

import re


class BrokenNotebook(ValueError):
    """The file is no notebook of a format that nbformat knows."""


def notebook_to_markdown(text: str) -> tuple[str, str]:
    """The cells in order, and the language of the code. Reads all versions of the format. Raises `BrokenNotebook`."""
    from nbformat import ValidationError, convert, reader

    try:
        # Read and upgraded but not validated: what the schema objects to is nearly always readable.
        notebook = convert(reader.reads(text), 4)  # type: ignore[no-untyped-call]
        language = _language(notebook)
        cells = [_cell(cell["cell_type"], cell["source"], language) for cell in notebook["cells"]]
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise BrokenNotebook(str(error)) from None
    return "\n\n".join(cell for cell in cells if cell), language


def fenced(text: str, language: str = "") -> str:
    """A Markdown code block whose fence is longer than any run of backticks within."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _cell(kind: str, source: str, language: str) -> str:
    source = source.rstrip()
    return fenced(source, language) if kind == "code" and source else source


def _language(notebook: dict[str, dict[str, dict[str, str]]]) -> str:
    metadata = notebook.get("metadata", {})
    name = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language") or "python"
    return re.sub(r"[^\w+#-]", "", name)
