"""A model's folder as sentence-transformers lays it out: how the graph is fed, and what is made of its output.

Read are `tokenizer.json`, `config.json`, `tokenizer_config.json`, `sentence_bert_config.json`, `modules.json`, the
configurations of the modules it lists, and `config_sentence_transformers.json`. Only the first is required.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tokenizers import Tokenizer

from llm_twin.errors import ConfigError

Pooling = Literal["mean", "cls", "max", "lasttoken"]

GRAPHS = ("model.onnx", "onnx/model.onnx")
USUAL_TOKENS = 512  # of a model that says nothing about it: BERT's
SANE_TOKENS = 1_000_000  # tokenizers without a limit name one of 10^30
# Their position embeddings start behind that of the padding token.
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl", "longformer"}

_SEARCH = "Represent this sentence for searching relevant passages: "
_INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
# (family, as the last part of a model's name; what goes before a question; before a passage), from the model cards.
FAMILIES = (
    (r"(multilingual-)?e5-(small|base|large)(-v2)?(-unsupervised)?", "query: ", "passage: "),
    (r"multilingual-e5-large-instruct", _INSTRUCT, ""),
    (r"bge-(small|base|large)-en(-v1\.5)?", _SEARCH, ""),
    (r"bge-(small|base|large)-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),  # noqa: RUF001
    (r"nomic-embed-text(-v\d.*)?|modernbert-embed-(base|large)", "search_query: ", "search_document: "),
    (r"mxbai-embed-(large|2d-large|xsmall).*|snowflake-arctic-embed-(xs|s|m|l|m-long)(-v1\.5)?", _SEARCH, ""),
    (r"snowflake-arctic-embed-(m|l)-v2\.0|snowflake-arctic-embed2", "query: ", ""),
)
_LEGACY_POOLING: dict[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class Recipe:
    """How a graph becomes an embedding model."""

    tokens: int  # that it reads of one text, special tokens counted
    pad: int  # id of the padding token
    pooling: Pooling = "mean"
    pools_prompt: bool = True  # whether the prompt's tokens count in the pooling
    dimension: int = 0  # of the vectors, where the files say it
    query: str = ""  # what goes before a question
    passage: str = ""
    further: tuple[str, ...] = ()  # modules after the pooling that are not known here, such as Dense


def graph_file(folder: Path) -> Path | None:
    """The ONNX graph in a model's folder; also where the Hub's repositories have it."""
    return next((folder / name for name in GRAPHS if (folder / name).is_file()), None)


def read_json(folder: Path, name: str) -> Any:
    """A configuration; an empty one where the file is missing. Raises `ConfigError` where it can't be read."""
    file = folder / name
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the model in {folder}: {name} can't be read: {error}") from None


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer, without padding and truncation. Raises `ConfigError`."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ConfigError(f"the model in {folder}: no tokenizer.json; it has to lie beside the graph")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # noqa: BLE001 - the library raises bare exceptions
        raise ConfigError(f"the model in {folder}: tokenizer.json can't be read: {first_line(error)}") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def read_recipe(folder: Path, name: str) -> Recipe:
    """What the files in `folder` say. `name` tells the family, whose prompts serve where the files name none.

    Raises `ConfigError` for a pooling that is not known here.
    """
    config = _mapping(folder, "config.json")
    modules = read_json(folder, "modules.json") or []
    try:
        kinds = [(str(module["type"]).rsplit(".", 1)[-1], str(module.get("path", ""))) for module in modules]
    except (TypeError, KeyError, AttributeError):
        raise ConfigError(f"the model in {folder}: modules.json is no list of modules") from None
    pooled = _mapping(folder, f"{next((path for kind, path in kinds if kind == 'Pooling'), '1_Pooling')}/config.json")
    said = pooled.get("word_embedding_dimension") or pooled.get("embedding_dimension")
    query, passage = read_prompts(folder, name)
    known = {"Transformer", "Pooling", "Normalize"}
    further = tuple(kind for kind, _ in kinds if kind not in known)
    return Recipe(
        tokens=token_limit(folder),
        pad=int(config.get("pad_token_id") or 0),
        pooling=_pooling(folder, pooled),
        pools_prompt=bool(pooled.get("include_prompt", True)),
        dimension=said if isinstance(said, int) and not further else 0,
        query=query,
        passage=passage,
        further=further,
    )


def token_limit(folder: Path) -> int:
    """Tokens that the model reads, special ones counted: the least of what it was made for and what it can."""
    config = _mapping(folder, "config.json")
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if isinstance(positions, int) and config.get("model_type") in OFFSET_POSITIONS:
        positions -= 1 + int(config.get("pad_token_id") or 1)
    limits = (
        _mapping(folder, "sentence_bert_config.json").get("max_seq_length"),
        _mapping(folder, "tokenizer_config.json").get("model_max_length"),
        positions,
    )
    said = [int(limit) for limit in limits if isinstance(limit, int | float) and 0 < limit < SANE_TOKENS]
    return min(said, default=USUAL_TOKENS)


def read_prompts(folder: Path, name: str) -> tuple[str, str]:
    """What goes before a question and before a passage: as the files say, else as the model's family has it.

    sentence-transformers knows these names for the two roles, and writes empty prompts where none were set.
    """
    prompts = _mapping(folder, "config_sentence_transformers.json").get("prompts")
    if isinstance(prompts, dict) and any(prompts.values()):
        passages = [str(prompts[role]) for role in ("document", "passage", "corpus") if prompts.get(role)]
        return str(prompts.get("query") or ""), next(iter(passages), "")
    last = name.rstrip("/").rsplit("/", 1)[-1].rsplit("--", 1)[-1].split(":", 1)[0].lower()
    return next(((query, passage) for family, query, passage in FAMILIES if re.fullmatch(family, last)), ("", ""))


def folder_digest(folder: Path) -> str:
    """12 hex digits that change with what makes the model: its configuration, its tokenizer, samples of its weights.

    Raises `ConfigError` where a file can't be read.
    """
    content = hashlib.blake2b(digest_size=6)
    graph = graph_file(folder)
    weights = [graph, *graph.parent.glob(f"{graph.name}?data")] if graph else []
    piece, pieces = 65_536, 64  # 4 MB of each file: training moves every weight a little
    for file in sorted({*folder.glob("*.json"), *folder.glob("*/config.json"), *weights}):
        try:
            size = file.stat().st_size
            content.update(f"{file.relative_to(folder)} {size}\n".encode())
            with file.open("rb") as opened:
                for start in range(0, size, max(piece, size // pieces)):
                    opened.seek(start)
                    content.update(opened.read(piece))
        except OSError as error:
            raise ConfigError(f"the model in {folder}: {file.name} can't be read: {error.strerror}") from None
    return content.hexdigest()


def _pooling(folder: Path, config: dict[str, Any]) -> Pooling:
    modes = config.get("pooling_mode") or [mode for key, mode in _LEGACY_POOLING.items() if config.get(key)] or "mean"
    modes = [modes] if isinstance(modes, str) else list(modes)
    names: tuple[Pooling, ...] = get_args(Pooling)
    for known in names:
        if modes == [known]:
            return known
    raise ConfigError(
        f"the model in {folder}: pooling by {' and '.join(map(str, modes))} is not supported; "
        f"known are {', '.join(names)}"
    )


def _mapping(folder: Path, name: str) -> dict[str, Any]:
    found = read_json(folder, name)
    if not isinstance(found, dict):
        raise ConfigError(f"the model in {folder}: {name} is no JSON object")
    return found


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 300 characters of it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
