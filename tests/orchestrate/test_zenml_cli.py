"""ZenML on the command line: runs of processes of their own, the dashboard on loopback, and ZenML missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from blog import SAILS, page
from llm_twin import Twin, cli
from mongod import free_port
from server import Answer, LocalServer

ROOT = Path(__file__).parents[2]
BREAD_LINK, SAILS_LINK, GONE_LINK = (f"http://blog.example/{name}" for name in ("bread", "sails", "gone"))
one_dashboard = pytest.mark.xdist_group("dashboard")  # it takes twenty seconds to start
needs_zenml = pytest.mark.skipif(not find_spec("zenml"), reason="ZenML lives in .venv-zenml: make zenml")


def start(*words: object) -> subprocess.Popen[str]:
    """A `twin` process."""
    # A shell turns Ctrl-C off for what it runs in the background.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom llm_twin.cli import main; main()"
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def twin_command(*words: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `twin …` in a process of its own."""
    process = start(*words)
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.fixture
def run_file(tmp_path: Path, world: LocalServer) -> Path:
    path = tmp_path / "ada.yaml"
    path.write_text(f"authors:\n  - name: Ada Example\n    links: [{BREAD_LINK}, {SAILS_LINK}]\n")
    return path


@pytest.mark.skipif(bool(find_spec("zenml")), reason="ZenML is installed here")
@pytest.mark.parametrize("words", [("run", "ada.yaml", "--zenml"), ("zenml", "up"), ("zenml", "runs", "--json")])
def test_without_zenml_one_line_names_the_command_that_installs_it(run_file: Path, words: tuple[str, ...]) -> None:
    code, out, err = twin_command(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "pip install 'llm-twin[zenml]'" in err


def test_options_of_pipelines_need_zenml(run_file: Path) -> None:
    code, _, err = twin_command("run", run_file, "--no-cache")
    assert (code, err.count("\n")) == (2, 1)
    assert "--zenml" in err


@needs_zenml
def test_two_runs_at_once_on_a_fresh_home_do_not_harm_each_other(run_file: Path, tmp_path: Path) -> None:
    processes = [start("run", run_file, "--zenml", "--json") for _ in range(2)]
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert "Traceback" not in err
        (run,) = json.loads(out)["runs"]
        assert run["status"] == "completed"
    with Twin() as both, Twin(home=tmp_path / "alone") as alone:
        alone.collect("Ada Example", [BREAD_LINK, SAILS_LINK])
        alone.index()
        assert both.vectors.chunk_ids() == alone.vectors.chunk_ids()
        assert both.warehouse.count() == 2
        plan = both.index_plan()
        assert (plan.items, plan.removed) == ((), ())
    with run_file.open("a") as file:
        file.write(f"  - name: Ben Example\n    links: [{GONE_LINK}]\n")
    code, out, err = twin_command("run", run_file, "--zenml", "--pipeline", "digital_data_etl", "--quiet")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "none of 1 succeeded" in err


@needs_zenml
def test_ctrl_c_stops_the_pipeline_in_one_line_and_the_next_run_goes_on(run_file: Path, world: LocalServer) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(_: object) -> Answer:
        asked.set()
        answer.wait(60)
        return Answer(page("Gybing a spinnaker", *SAILS, day=2), 200, {"content-type": "text/html"})

    world.route("blog.example", "/sails", slow)
    process = start("run", run_file, "--zenml", "--set", "concurrency=1", "--quiet")
    assert asked.wait(120)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (1, "", "twin: interrupted; what was finished is kept")
    answer.set()
    code, out, err = twin_command("run", run_file, "--zenml", "--json")
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert set(run["steps"].values()) == {"completed"}
    assert len(world.asked("/bread")) == 1, "what was finished is not fetched again"
    with Twin() as twin:
        assert twin.warehouse.count() == 2


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A dashboard over one run."""
    home = tmp_path_factory.mktemp("dashboard")
    port = free_port()
    code, out, err = twin_command("zenml", "up", "--home", home, "--port", port, "--json")
    assert code == 0, err
    yield json.loads(out) | {"home": home, "port": port}
    code, out, _ = twin_command("zenml", "down", "--home", home, "--json")
    assert (code, json.loads(out)) == (0, {"stopped": True})


def ask(url: str, token: str = "", form: dict[str, str] | None = None) -> Any:
    """JSON of a URL."""
    data = urllib.parse.urlencode(form).encode() if form else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - http on loopback
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.loads(response.read())


@needs_zenml
@one_dashboard
def test_the_dashboard_asks_for_a_password_tracks_nobody_and_needs_no_first_steps(dashboard: dict[str, Any]) -> None:
    url = dashboard["url"]
    assert url == f"http://127.0.0.1:{dashboard['port']}"
    info = ask(f"{url}/api/v1/info")
    assert (info["analytics_enabled"], info["active"]) == (False, True)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{url}/api/v1/secrets")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{url}/api/v1/login", form={"username": "default", "password": ""})
    token = ask(f"{url}/api/v1/login", form={"username": dashboard["user"], "password": dashboard["password"]})
    user = ask(f"{url}/api/v1/current-user", token["access_token"])
    assert user["metadata"]["user_metadata"]["finished_onboarding_survey"] is True
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310
        policy = response.headers["content-security-policy"]
    places = {word.rstrip(";") for word in policy.split() if word.startswith("http")}
    assert places == {url, url.replace("127.0.0.1", "localhost")}
    state = dashboard["home"] / "zenml"
    assert oct((state / "dashboard.json").stat().st_mode)[-3:] == "600"
    assert oct(state.stat().st_mode)[-3:] == "700"


@needs_zenml
@one_dashboard
def test_up_twice_finds_the_one_that_runs_and_a_taken_port_is_told(dashboard: dict[str, Any], tmp_path: Path) -> None:
    code, out, _ = twin_command("zenml", "up", "--home", dashboard["home"], "--json")
    assert (code, json.loads(out)["pid"]) == (0, dashboard["pid"])
    code, out, err = twin_command("zenml", "up", "--home", tmp_path / "other", "--port", dashboard["port"])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"port {dashboard['port']} is taken" in err


@needs_zenml
@one_dashboard
def test_a_teams_server_is_not_started_again(
    dashboard: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"username": dashboard["user"], "password": dashboard["password"]}
    token = ask(f"{dashboard['url']}/api/v1/login", form=form)["access_token"]
    monkeypatch.setenv("ZENML_STORE_URL", dashboard["url"])
    monkeypatch.setenv("ZENML_STORE_TYPE", "rest")
    monkeypatch.setenv("ZENML_STORE_API_TOKEN", token)
    code, out, err = twin_command("zenml", "up", "--home", tmp_path / "home")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert dashboard["url"] in err
    assert "has a dashboard itself" in err


def test_runs_are_listed_and_settings_exported_masked(
    zenml_state: Path, world: LocalServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("TWIN_")]:
        monkeypatch.delenv(name)
    home = zenml_state.parent

    def told(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["twin", *map(str, words), "--home", str(home)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        assert not exit_.value.code
        return capfd.readouterr().out

    out = told("zenml", "export-settings", "--set", "warehouse=mongodb://u:s3cret@h/twin")
    monkeypatch.delenv("TWIN_WAREHOUSE")
    assert out == "TWIN_WAREHOUSE=mongodb://***@h/twin\n1 settings are in ZenML's secret 'llm-twin'\n"
    assert json.loads(told("zenml", "export-settings", "--json")) == {"secret": "llm-twin", "settings": {}}
    runs = json.loads(told("zenml", "runs", "--limit", 3, "--json"))
    assert len(runs) <= 3
    assert all(run["steps"] for run in runs)
