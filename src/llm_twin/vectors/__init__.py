"""The index: cleaned documents and their chunks with vectors, in an embedded engine or on a Qdrant server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llm_twin.errors import ConfigError
from llm_twin.settings import Settings, masked

if TYPE_CHECKING:
    from llm_twin.vectors.store import VectorStore


def open_vectors(
    settings: Settings,
    model: str,
    dimension: int,
    on_wait: Callable[[str], None] | None = None,
    *,
    draft: bool = False,
) -> VectorStore:
    """The index that the settings name, for vectors of `model` with `dimension` dimensions.

    `on_wait` is told who holds the embedded index when waiting for it begins. `draft`: an index aside of the one in
    use, which takes its place with `publish()`; one that a killed process left is gone on with when it fits the model.
    Raises `ConfigError` for an address of another kind, `StoreError` when the server can't be reached, `OutdatedError`
    when the index was built with another model.
    """
    address = settings.vectors
    if not address:
        from llm_twin.vectors.edge import EdgeVectors

        return EdgeVectors(settings.vectors_path, model, dimension, settings.lock_wait, on_wait, draft=draft)
    if address.startswith(("http://", "https://")):
        from llm_twin.vectors.qdrant import QdrantVectors

        return QdrantVectors(address, settings.vectors_key, settings.collection, model, dimension, draft=draft)
    raise ConfigError(
        f"TWIN_VECTORS: {masked(address)} is no http:// or https:// address; leave it empty for the embedded index"
    )
