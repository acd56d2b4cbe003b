"""Models: texts to vectors, and passages to how well they answer. Opened here, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_twin.settings import Settings

if TYPE_CHECKING:
    from llm_twin.models.embed import Embedder
    from llm_twin.models.rerank import Reranker


def open_embedder(settings: Settings) -> Embedder:
    """The embedding model that the settings name; fetched or built on first use.

    Raises `ConfigError` when it is not to be had, or its files are not those of an embedding model.
    """
    from llm_twin.models.embed import OnnxEmbedder
    from llm_twin.models.fetch import model_folder

    return OnnxEmbedder(model_folder(settings.model, settings.models.expanduser()), settings.model)


def open_reranker(settings: Settings) -> Reranker | None:
    """The cross-encoder that the settings name; None when they name none. Raises `ConfigError` as `open_embedder`."""
    if not settings.reranker:
        return None
    from llm_twin.models.fetch import model_folder
    from llm_twin.models.rerank import CrossEncoder

    return CrossEncoder(model_folder(settings.reranker, settings.models.expanduser()), settings.reranker)
