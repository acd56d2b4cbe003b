"""Models: texts to vectors, and passages to how well they answer. Opened here, from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_twin.errors import ConfigError
from llm_twin.settings import Settings, masked

if TYPE_CHECKING:
    from llm_twin.models.embed import Embedder
    from llm_twin.models.rerank import Reranker


def open_embedder(settings: Settings) -> Embedder:
    """The embedding model that the settings name; fetched or built on first use.

    Raises `ConfigError` when it is not to be had, or its files are not those of an embedding model.
    """
    if settings.model_url:
        return _open_endpoint(settings)
    from llm_twin.models.embed import OnnxEmbedder
    from llm_twin.models.fetch import model_folder

    cache, name = settings.models.expanduser(), model_name(settings)
    if settings.precision == "int8":
        from llm_twin.models.quantize import int8_folder

        return OnnxEmbedder(int8_folder(settings.model, cache), name, settings.model)
    return OnnxEmbedder(model_folder(settings.model, cache), name, settings.model)


def _open_endpoint(settings: Settings) -> Embedder:
    from llm_twin.models.counting import counted
    from llm_twin.models.endpoint import EndpointEmbedder

    if settings.precision != "fp32":
        raise ConfigError("TWIN_PRECISION: int8 is for models that run here; leave it, or leave TWIN_MODEL_URL empty")
    tokenizer, recipe = counted(settings.model, settings.models.expanduser())
    key = settings.model_key.get_secret_value() if settings.model_key else ""
    return EndpointEmbedder(settings.model_url, key, settings.model, tokenizer, recipe, settings.model_tokens)


def at_hand(settings: Settings) -> str:
    """Where the embedding model would come from without the Hub, in words; "" when it would not."""
    from llm_twin.models.fetch import is_at_hand
    from llm_twin.models.quantize import is_quantised

    cache = settings.models.expanduser()
    if settings.model_url:
        return f"the endpoint {masked(settings.model_url)}"
    if settings.precision == "int8" and is_quantised(settings.model, cache):
        return "the cache"
    found = is_at_hand(settings.model, cache)
    return f"the {found}" if found else ""


def model_name(settings: Settings) -> str:
    """The embedding model's name, as the index keeps it: models with other vectors have other names.

    That of a folder changes with the files in it, so that a model trained further is not mixed with the former one.
    """
    from llm_twin.models.fetch import cache_key

    name = cache_key(settings.model) if Path(settings.model).is_dir() else settings.model
    return f"{name} int8" if settings.precision == "int8" else name


def open_reranker(settings: Settings) -> Reranker | None:
    """The cross-encoder that the settings name; None when they name none. Raises `ConfigError` as `open_embedder`."""
    if not settings.reranker:
        return None
    from llm_twin.models.fetch import model_folder
    from llm_twin.models.rerank import CrossEncoder

    folder = model_folder(settings.reranker, settings.models.expanduser(), "TWIN_RERANKER")
    return CrossEncoder(folder, settings.reranker)
