"""ZenML on this machine: its state below the twin's home, its dashboard on loopback, our settings in its secret store.

Importing ZenML takes seconds and reads the environment once: it is imported by `prepare`, and only where it is needed.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from llm_twin.documents import Moment, Report, Value
from llm_twin.errors import ConfigError, StoreError, TwinError, UsageError
from llm_twin.locks import held
from llm_twin.settings import Settings, masked

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

SECRET = "llm-twin"  # noqa: S105 - the name under which ZenML's secret store has our settings
HOST = "127.0.0.1"
PORT = 8237  # ZenML's own
START_SECONDS = 120.0  # a server's first start reads some thousand files
STOP_SECONDS = 10.0
INSTALL = "pip install 'llm-twin[zenml]' (in an environment of its own: it holds pydantic and click back)"
# What ZenML reads from the environment. A value that is set already is left as it is: it may name a team's server.
ENVIRONMENT = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_AUTO_OPEN_DASHBOARD": "false",
    "AUTO_OPEN_DASHBOARD": "false",
    "ZENML_DISABLE_INTERACTIVE_INPUT": "true",
    "ZENML_ENABLE_REPO_INIT_WARNINGS": "false",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_LOGGING_COLORS_DISABLED": "true",
    "ZENML_PARAMETER_SIZE_THRESHOLD": "100000",  # names and links stay parameters instead of nameless artifacts
}


class Dashboard(Value):
    """A running dashboard."""

    url: str
    user: str
    password: SecretStr
    pid: int
    started: float  # seconds since the epoch, so that another process with this id is not taken for it


def folder_below(home: Path) -> Path:
    """The folder of ZenML's state, made where it is missing. Raises `ConfigError` where ZenML is not installed."""
    if not find_spec("zenml"):
        raise ConfigError(f"ZenML is not installed: {INSTALL}")
    folder = (home / "zenml").absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def prepare(folder: Path) -> None:
    """Set ZenML's environment and open its state."""
    # What ZenML would take along into an image: nothing, since the steps are in the installed package.
    sources = folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    places = {"ZENML_CONFIG_PATH": str(folder), "ZENML_CUSTOM_SOURCE_ROOT": str(sources)}
    for name, value in {**ENVIRONMENT, **places}.items():
        os.environ.setdefault(name, value)
    with held(folder / "setup.lock", f"ZenML's state in {folder}", START_SECONDS), told():
        _open()


@contextmanager
def told() -> Iterator[None]:
    """Turn ZenML's own errors into one line; ours pass through."""
    try:
        yield
    except TwinError:
        raise
    except Exception as error:
        log.debug("in ZenML", exc_info=True)
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise StoreError(
            f"ZenML: {type(error).__name__}: {masked(lines[0]) if '://' in lines[0] else lines[0]}"
        ) from None


def _open() -> None:
    """Import ZenML, which makes its database on first use, and keep its log off the terminal; steps keep theirs."""
    from llm_twin.orchestrate.zenml import Client

    for handler in list(logging.root.handlers):
        if type(handler).__module__ == "zenml.logger" and "Console" in type(handler).__name__:
            logging.root.removeHandler(handler)
    _ = Client().active_stack_model


# --- dashboard


def up(folder: Path, port: int | None = None) -> Dashboard:
    """Start the server and its dashboard on loopback, or find it running. Raises `StoreError` when it won't start.

    It asks for a password, unlike ZenML's own local server: that one lets every page in the user's browser and every
    user of the machine read the secret store.
    """
    if running := found(folder):
        return running
    port = _free(port)
    prepare(folder)
    password = secrets.token_urlsafe(12)
    user = _let_in(password)
    url = f"http://{HOST}:{port}"
    output = folder / "server.log"
    process = _start(folder, port, url, output)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            last = (output.read_text("utf-8", "replace").strip().splitlines() or ["no output"])[-1]
            raise StoreError(f"ZenML's server does not start: {last}; see {output}")
        time.sleep(0.2)
    dashboard = Dashboard(
        url=url, user=user, password=SecretStr(password), pid=process.pid, started=_started(process.pid)
    )
    state = folder / "dashboard.json"
    state.touch(mode=0o600)
    state.write_text(json.dumps(dashboard.model_dump() | {"password": password}), "utf-8")
    return dashboard


def found(folder: Path) -> Dashboard | None:
    """The dashboard that runs on this state, if one does."""
    try:
        dashboard = Dashboard.model_validate_json((folder / "dashboard.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return dashboard if _process(dashboard) else None


def down(folder: Path) -> bool:
    """Stop the dashboard; whether one was running."""
    dashboard = found(folder)
    process = _process(dashboard) if dashboard else None
    if process:
        import psutil

        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
    (folder / "dashboard.json").unlink(missing_ok=True)
    return process is not None


def _let_in(password: str) -> str:
    """Give the local user this password and answer the dashboard's first-use questions; the user's name."""
    from llm_twin.orchestrate.zenml import Client, StoreType, UserUpdate

    client = Client()
    if client.zen_store.type != StoreType.SQL:
        raise UsageError(
            f"ZenML is connected to the server {masked(client.zen_store.url)}, which has a dashboard itself"
        )
    user = client.active_user
    answered = {"finished_onboarding_survey": True, "awareness_channels": ["other"], "primary_use": "personal"}
    client.zen_store.update_user(
        user.id,
        UserUpdate(
            password=password, active=True, email_opted_in=False, user_metadata={**user.user_metadata, **answered}
        ),
    )
    return str(user.name)


def _start(folder: Path, port: int, url: str, output: Path) -> subprocess.Popen[bytes]:
    """Start ZenML's server as a process of its own, on the database and artifacts of this state."""
    from llm_twin.orchestrate.zenml import GlobalConfiguration

    environment = os.environ | {
        "ZENML_SERVER": "true",
        "ZENML_CONFIG_PATH": str(folder / "server"),
        "ZENML_LOCAL_STORES_PATH": GlobalConfiguration().local_stores_path,
        "ZENML_USER_ID": str(GlobalConfiguration().user_id),
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_SERVER_AUTH_SCHEME": "OAUTH2_PASSWORD_BEARER",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_SERVER_CORS_ALLOW_ORIGINS": url,
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_SERVER_SECURE_HEADERS_CSP": _only_from_here(port),
        "ZENML_SERVER_DISPLAY_ANNOUNCEMENTS": "false",
        "ZENML_SERVER_DISPLAY_UPDATES": "false",
        "DISABLE_DATABASE_MIGRATION": "true",
    }
    app = "zenml.zen_server.zen_server_api:app"
    command = [sys.executable, "-m", "uvicorn", app, "--host", HOST, "--port", str(port), "--no-server-header"]
    with output.open("wb") as file:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _only_from_here(port: int) -> str:
    """A content security policy: the dashboard's own widgets and visitor tracker, served from elsewhere, don't load.

    ZenML strips quotes off the ends of what it is given, so no directive begins or ends with one.
    """
    here = f"http://{HOST}:{port}"
    also = f"http://localhost:{port}"
    directives = {
        "default-src": f"{here} {also}",
        "script-src": f"{here} 'self' 'unsafe-inline' 'unsafe-eval' {also}",
        "style-src": f"{here} 'self' 'unsafe-inline' {also}",
        "connect-src": f"{here} {also}",
        "img-src": f"{here} {also} data: blob:",
        "font-src": f"{here} {also} data:",
        "frame-src": f"{here} {also} data: blob:",
        "base-uri": f"{here} {also}",
        "form-action": f"{here} {also}",
    }
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:  # noqa: S310 - http on loopback, made here
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _free(wanted: int | None) -> int:
    """The wanted port, or any that is free where none was asked for. Raises `UsageError` when it is taken."""
    for port in (wanted or PORT, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                if wanted:
                    raise UsageError(f"port {wanted} is taken; give another one with --port") from None
                continue
            return int(listener.getsockname()[1])
    raise StoreError("no port of the loopback interface is free")


def _started(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).create_time())


def _process(dashboard: Dashboard) -> psutil.Process | None:
    import psutil

    try:
        process = psutil.Process(dashboard.pid)
        same = abs(process.create_time() - dashboard.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        return process if same else None
    except psutil.Error:
        return None


# --- what ran, and settings


class PipelineRun(Value):
    """A run as ZenML has it."""

    id: str
    name: str
    pipeline: str
    status: str
    started_at: Moment | None
    seconds: float | None
    steps: dict[str, str]  # step -> completed, cached, failed …
    url: str = ""


def run_of(run: Any, dashboard: Dashboard | None = None) -> PipelineRun:
    """A ZenML run as a value of ours."""
    started, ended = run.start_time, run.end_time
    return PipelineRun(
        id=str(run.id),
        name=run.name,
        pipeline=run.pipeline.name if run.pipeline else "",
        status=str(run.status.value),
        started_at=started,
        seconds=round((ended - started).total_seconds(), 3) if started and ended else None,
        steps={name: str(step.status.value) for name, step in run.steps.items()},
        url=f"{dashboard.url}/projects/default/runs/{run.id}" if dashboard else "",
    )


def reports_of(run: Any) -> list[tuple[str, bool, Report]]:
    """(step, whether it was cached, report) of every step of a ZenML run that reports."""
    ours = f"{Report.__module__}.{Report.__qualname__}"
    return [
        (name, step.status.value == "cached", artifact.load())
        for name, step in run.steps.items()
        for outputs in step.outputs.values()
        for artifact in outputs
        if artifact.data_type.import_path == ours
    ]


def runs(folder: Path, limit: int) -> list[PipelineRun]:
    """The last runs, newest first."""
    from llm_twin.orchestrate.zenml import Client

    dashboard = found(folder)
    page = Client().list_pipeline_runs(sort_by="desc:created", size=limit, hydrate=True)
    return [run_of(run, dashboard) for run in page.items]


def settings_here() -> Settings:
    """The settings where a step runs: environment and `.env`, and for what they leave open ZenML's secret."""
    from llm_twin.orchestrate.zenml import Client

    here = Settings.load()
    try:
        secret = Client().get_secret(SECRET, allow_partial_name_match=False, allow_partial_id_match=False)
    except KeyError:
        return here
    given: dict[str, Any] = {}
    for name, value in secret.secret_values.items():
        field = name.lower().removeprefix("twin_")
        if field in Settings.model_fields and field not in here.model_fields_set:
            given[field] = _from_text(value)
    return Settings.load(**given)


def _from_text(value: str) -> Any:
    return json.loads(value) if value.startswith(("{", "[")) else value


HERE_ONLY = frozenset({"home", "models"})  # folders of this machine


def export_settings(settings: Settings) -> dict[str, str]:
    """Put every setting that was given (environment, `.env`, option) into ZenML's secret store; what was put, masked.

    What an earlier export put there and is not given any more is removed.
    """
    from llm_twin.orchestrate.zenml import Client

    values: dict[str, str] = {}
    shown: dict[str, str] = {}
    for name in sorted(settings.model_fields_set - HERE_ONLY):
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = json.dumps(plain) if isinstance(plain, dict | list | tuple) else str(plain)
        if not text or value is None:
            continue
        variable = f"TWIN_{name.upper()}"
        values[variable] = text
        shown[variable] = masked(text) if "://" in text else str(value)
    client = Client()
    try:
        before = client.get_secret(SECRET, allow_partial_name_match=False, allow_partial_id_match=False)
    except KeyError:
        if values:
            client.create_secret(SECRET, values)
        return shown
    gone = sorted(set(before.values) - set(values))
    client.update_secret(before.id, add_or_update_values=values, remove_values=gone)
    return shown
