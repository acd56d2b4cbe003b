"""The index: chunks with their vectors, in an embedded engine or on a Qdrant server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_twin.errors import ConfigError
from llm_twin.settings import Settings, masked

if TYPE_CHECKING:
    from llm_twin.vectors.store import VectorStore


def open_vectors(
    settings: Settings, model: str, dimension: int, on_wait: Callable[[str], None] | None = None
) -> VectorStore:
    """The index that the settings name, for vectors of `model` with `dimension` dimensions.

    `on_wait` is told who holds the embedded index when waiting for it begins. Raises `ConfigError` for an address of
    another kind, `StoreError` when the server can't be reached or the index was built with another model.
    """
    address = settings.vectors
    if not address:
        from llm_twin.vectors.edge import EdgeVectors

        return EdgeVectors(settings.vectors_path, model, dimension, settings.lock_wait, on_wait)
    if address.startswith(("http://", "https://")):
        from llm_twin.vectors.qdrant import QdrantVectors

        return QdrantVectors(address, settings.vectors_key, settings.collection, model, dimension)
    raise ConfigError(
        f"TWIN_VECTORS: {masked(address)} is no http:// or https:// address; leave it empty for the embedded index"
    )
