"""How texts are counted for a model that runs elsewhere: by its own tokenizer, or else in bytes.

No tokenizer in use makes more tokens of a text than it has bytes in UTF-8, so that counting bytes is safe: what is
counted as fitting does fit. It is also wasteful, by a factor of four for English.
"""

from __future__ import annotations

import logging
from pathlib import Path

from tokenizers import Tokenizer

from llm_twin.errors import ConfigError
from llm_twin.models.fetch import SMALL_FILES, Hub, cache_key, cached
from llm_twin.models.folder import Recipe, load_tokenizer, read_prompts, token_limit

log = logging.getLogger(__name__)

BYTES = 256  # the vocabulary of a tokenizer that counts bytes
# Models that have another name on the Hub, where only their tokenizer lies, and the tokens that they read.
ELSEWHERE = {
    "text-embedding-3-small": ("Xenova/text-embedding-ada-002", 8191),
    "text-embedding-3-large": ("Xenova/text-embedding-ada-002", 8191),
    "text-embedding-ada-002": ("Xenova/text-embedding-ada-002", 8191),
}
UNKNOWN_TOKENS = 512  # read by nearly every model


def counted(model: str, cache: Path) -> tuple[Tokenizer, Recipe]:
    """The tokenizer for an endpoint's model, and what is known of its limit and prompts.

    What the Hub has for the model's name is kept in the cache, and so is the answer that it has nothing: texts have to
    be counted in the same way from run to run. Where it can't be reached or gives nothing out, the next run asks again.
    """
    hub_id, tokens = ELSEWHERE.get(model, (model, 0))

    def make(target: Path) -> None:
        if not (_is_hub_id(hub_id) and _from_hub(hub_id, target, cache)):
            byte_tokenizer().save(str(target / "tokenizer.json"))

    try:
        folder = cached(cache, f"{cache_key(hub_id).replace(':', '--')}--tokenizer", make, whole="tokenizer.json")
    except _NoAnswer as error:
        log.info("texts are counted in bytes: %s", error)
        query, passage = read_prompts(cache / "none", model)
        return byte_tokenizer(), Recipe(tokens=tokens or UNKNOWN_TOKENS, pad=0, query=query, passage=passage)
    tokenizer = load_tokenizer(folder)
    if not tokens:
        tokens = token_limit(folder) if (folder / "config.json").is_file() else UNKNOWN_TOKENS
    query, passage = read_prompts(folder, model)
    return tokenizer, Recipe(tokens=tokens, pad=0, query=query, passage=passage)


def byte_tokenizer() -> Tokenizer:
    """One token for each byte of the text in UTF-8."""
    from tokenizers import models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def counts_bytes(tokenizer: Tokenizer) -> bool:
    """Whether texts are counted in bytes, for want of the model's own tokenizer."""
    return tokenizer.get_vocab_size() == BYTES


def _is_hub_id(name: str) -> bool:
    return name.count("/") == 1 and ":" not in name


def _from_hub(name: str, target: Path, cache: Path) -> bool:
    try:
        hub = Hub(name, cache, "TWIN_MODEL")
        if not hub.fetch("tokenizer.json", target / "tokenizer.json"):
            return False
        for file in SMALL_FILES:
            hub.fetch(file, target / file)
    except ConfigError as error:
        raise _NoAnswer(str(error)) from None
    return True


class _NoAnswer(Exception):
    """The Hub can't be reached or does not give a model out: what it has is not known."""
