"""Collect everything a person has published, keep it clean and current, and make it usable by an LLM.

from llm_twin import Twin, extract
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_twin.collect.extract import Extraction, extract
    from llm_twin.documents import Author, Document, Hit, Link, Outcome, Report
    from llm_twin.settings import Settings
    from llm_twin.twin import Twin

__version__ = "0.1.0"
__all__ = ["Author", "Document", "Extraction", "Hit", "Link", "Outcome", "Report", "Settings", "Twin", "extract"]

_HOMES = {
    "Twin": "llm_twin.twin",
    "Settings": "llm_twin.settings",
    "extract": "llm_twin.collect.extract",
    "Extraction": "llm_twin.collect.extract",
} | dict.fromkeys(("Author", "Document", "Hit", "Link", "Outcome", "Report"), "llm_twin.documents")


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import llm_twin` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_twin' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
