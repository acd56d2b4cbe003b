"""Runs that are stopped: what is done stays, the run says so, the next one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from blog import BREAD, page
from llm_twin import Settings, Twin
from server import Answer, LocalServer

ADA = "Ada Example"
CHILD = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell turns off for what it runs in the background
sys.argv = ["twin", *json.loads(sys.argv[1])]
from llm_twin.cli import main
main()
"""


def start(options: dict[str, Any], *words: str) -> subprocess.Popen[str]:
    import json

    env = os.environ | {f"TWIN_{name.upper()}": _text(value) for name, value in options.items()}
    command = [sys.executable, "-c", CHILD, json.dumps(words)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _text(value: Any) -> str:
    import json

    return json.dumps(value) if isinstance(value, dict) else str(value)


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_continues(world: LocalServer, options: dict[str, Any]) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(_: object) -> Answer:
        asked.set()
        answer.wait(30)
        return Answer(page("At last", *BREAD), 200, {"content-type": "text/html"})

    world.route("blog.example", "/slow", slow)
    options |= {"resolve": world.resolve, "concurrency": 1}
    links = ["http://blog.example/bread", "http://blog.example/slow", "http://blog.example/sails"]
    with start(options, "collect", "--author", ADA, *links) as child:
        assert asked.wait(30)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "interrupted" in out
    assert "Traceback" not in err
    with start(options, "status") as child:
        out, _ = child.communicate(timeout=60)
    assert "Queue of the interrupted run: 1 done, 0 claimed, 2 waiting" in out, "nothing is held any more"
    with Twin(Settings.load(**options)) as twin:
        assert [document.link for document in twin.documents()] == links[:1]
        (run,) = twin.runs()
        assert run.state == "interrupted"
        answer.set()
        report = twin.collect(ADA, links)
        assert report.run_id == run.id, "the same run goes on"
        assert report.counts == {"new": 3}
        assert len(world.asked("/bread")) == 1, "what was finished is not fetched again"
        assert [run.state for run in twin.runs()] == ["finished"]


def test_links_that_a_stopped_run_never_reached_are_retried(world: LocalServer, options: dict[str, Any]) -> None:
    asked = threading.Event()
    world.route("blog.example", "/slow", lambda _: (asked.set(), Answer(hang=True))[1])
    options |= {"resolve": world.resolve, "concurrency": 1}
    links = ["http://blog.example/slow", "http://blog.example/sails"]
    with start(options, "collect", "--author", ADA, *links) as child:
        assert asked.wait(30)
        child.kill()
    world.route("blog.example", "/slow", body=page("At last", *BREAD))
    with Twin(Settings.load(**options)) as twin:
        assert [run.state for run in twin.runs()] == ["interrupted"], "a run whose process is gone"
        assert twin.retry_failed().counts == {"new": 2}


def test_a_second_index_run_waits_and_then_says_who_holds_it(twin: Twin, options: dict[str, Any]) -> None:
    from llm_twin.locks import held

    twin.collect(ADA, ["http://blog.example/bread"])
    with held(twin.home / "index.lock", "the index", 1), start(options | {"lock_wait": 0.1}, "index") as child:
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (2, "")
    assert str(os.getpid()) in err
    assert err.count("\n") == 1
    assert Path(options["home"]).is_dir()


def test_two_processes_collect_into_one_home(twin: Twin, options: dict[str, Any]) -> None:
    children = [
        start(options, "collect", "--author", author, "http://blog.example/bread", "http://blog.example/sails")
        for author in ("Ada Example", "Ben Example", "Cleo Example")
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for child in children:
        child.communicate()
    assert twin.warehouse.count() == 6
