"""The command line as a user types it: what it prints, and what bad input gets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from blog import BREAD, SAILS, page
from llm_twin import cli
from server import LocalServer

ADA = "Ada Example"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs `twin …` and returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twin", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    with LocalServer() as server:
        server.route("blog.example", "/bread", body=page("How to bake sourdough", *BREAD))
        server.route("blog.example", "/sails", body=page("Gybing a spinnaker", *SAILS, day=2))
        monkeypatch.setenv("TWIN_RESOLVE", json.dumps(server.resolve))
        monkeypatch.setenv("TWIN_ALLOW_PRIVATE", "1")
        monkeypatch.setenv("TWIN_DELAY", "0")
        monkeypatch.setenv("TWIN_RETRIES", "0")
        yield server


BREAD_LINK, SAILS_LINK = "http://blog.example/bread", "http://blog.example/sails"


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
    return found


@pytest.mark.parametrize("path", commands(cli.cli), ids=" ".join)
def test_every_command_has_help_with_an_example(twin: Run, path: tuple[str, ...]) -> None:
    code, out, _ = twin(*path, "--help")
    assert code == 0
    assert re.search(r"Examples?:\n\s+twin " + re.escape(" ".join(path[:1])), out)


def test_the_list_of_commands_says_what_their_own_help_says() -> None:
    for name, (_, text) in cli.COMMANDS.items():
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command
        assert command.get_short_help_str(200) == text


def test_help_loads_nothing_heavy() -> None:
    heavy = {"pydantic", "rich", "httpx2", "numpy", "trafilatura", "onnxruntime", "pymongo", "qdrant_edge", "lxml"}
    program = (
        "import sys; from llm_twin.cli import cli; cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not heavy & set(out.split())


def test_a_run_file_is_collected_and_indexed(twin: Run, world: LocalServer, tmp_path: Path) -> None:
    run_file = tmp_path / "ada.yaml"
    run_file.write_text(f"authors:\n  - name: {ADA}\n    aliases: [ada]\n    links:\n      - {BREAD_LINK}\n")
    code, out, err = twin("run", run_file)
    assert (code, err) == (0, "")
    assert f"new       {BREAD_LINK}" in out
    assert re.search(r"blog\.example\s+1 / 1\s+1 new", out)
    assert "1 new; " in out
    code, out, _ = twin("run", run_file, "--json")
    assert json.loads(out)["collect"]["counts"] == {"unchanged": 1}
    assert json.loads(out)["index"]["summary"]["documents"]["unchanged"] == 1


def test_search_prints_passages_with_their_source(twin: Run, world: LocalServer) -> None:
    assert twin("search", "bread")[1].startswith("the index is empty")
    twin("collect", "--author", ADA, BREAD_LINK, SAILS_LINK)
    twin("index")
    code, out, _ = twin("search", "how", "to", "bake", "bread", "-k", 1)
    assert code == 0
    assert "1. How to bake sourdough" in out
    assert BREAD_LINK in out
    assert f"{ADA}, 2024-05-01, article" in out
    (hit,) = json.loads(twin("search", "boats", "--since", "2024-05-02", "--json")[1])
    assert hit["link"] == SAILS_LINK
    assert json.loads(twin("search", "boats", "--kind", "code", "--json")[1]) == []


def test_a_failed_link_makes_exit_code_1_and_shows_in_status(twin: Run, world: LocalServer) -> None:
    code, out, _ = twin("collect", "--author", ADA, BREAD_LINK, "http://blog.example/missing", "mailto:ada@example.com")
    assert code == 1
    assert "not_found" in out
    assert "twin collect --retry-failed" in out
    code, out, _ = twin("status")
    assert code == 0
    assert re.search(r"collect\s+finished\s+1 / 3", out)
    assert "http://blog.example/missing  not_found" in out
    failed = json.loads(twin("status", "--failed", "--json")[1])
    assert {outcome["reason"] for outcome in failed} == {"not_found", "bad_link"}
    world.route("blog.example", "/missing", body=page("Found again", *SAILS))
    code, out, _ = twin("collect", "--retry-failed")
    assert code == 1, "the mail address stays no link"
    assert "new       http://blog.example/missing" in out


def test_documents_are_listed_shown_and_exported(twin: Run, world: LocalServer, tmp_path: Path) -> None:
    twin("collect", "--author", ADA, BREAD_LINK, SAILS_LINK)
    assert [line["title"] for line in json.loads(twin("documents", "--json")[1])] == [
        "Gybing a spinnaker",
        "How to bake sourdough",
    ]
    assert "Feed the starter" in twin("documents", "show", BREAD_LINK)[1]
    assert twin("documents", "show", BREAD_LINK, "--raw")[1].startswith("<!doctype html>")
    assert twin("documents", "export", "out.jsonl", "--since", "2024-05-02")[1] == "1 documents written to out.jsonl\n"
    assert json.loads((tmp_path / "out.jsonl").read_text())["link"] == SAILS_LINK
    assert len(twin("documents", "export", "-")[1].splitlines()) == 2
    assert twin("documents", "export", "out.parquet")[0] == 0
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "out.parquet").column("title").to_pylist()[0] == "Gybing a spinnaker"
    assert twin("documents", "export", "notes")[0] == 0
    (bread,) = (tmp_path / "notes").rglob("how-to-bake-sourdough-*.md")
    assert bread.read_text().startswith("---\nid: ")
    assert BREAD[0] in bread.read_text()


def test_a_page_cannot_send_commands_to_the_terminal(twin: Run, world: LocalServer) -> None:
    title = "\x1b]0;owned\x07\x1b[31mRed [bold]bread[/bold]"
    world.route("blog.example", "/evil", body=page(title, *BREAD, f"\x1b[2J{BREAD[0]}"))
    shown = twin("collect", "--author", ADA, "http://blog.example/evil")[1]
    twin("index")
    shown += (
        twin("documents")[1] + twin("search", "bread")[1] + twin("documents", "show", "http://blog.example/evil")[1]
    )
    assert shown.count("Red [bold]bread[/bold]") >= 4
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_an_author_is_listed_and_forgotten(twin: Run, world: LocalServer) -> None:
    twin("collect", "--author", ADA, "--alias", "ada", BREAD_LINK)
    assert re.search(r"Ada Example\s+ada\s+1\s+0\s+0\s+0", twin("authors")[1])
    assert twin("forget", "--author", "ada", "--yes")[:2] == (0, "Ada Example is forgotten: 1 document removed\n")
    assert "no authors yet" in twin("authors")[1]


def test_extract_shows_what_would_be_stored(twin: Run, world: LocalServer, tmp_path: Path) -> None:
    found = json.loads(twin("extract", BREAD_LINK, "--json")[1])
    assert (found["title"], found["link"]) == ("How to bake sourdough", BREAD_LINK)
    (tmp_path / "saved.html").write_text(page("How to bake sourdough", *BREAD))
    assert "closed cast-iron pot" in twin("extract", "saved.html", "--markdown")[1]
    assert twin("documents", "--json")[1] == "[]\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["collcet"], "No such command 'collcet'"),
        (["collect", BREAD_LINK], 'give --author "Full Name"'),
        (["collect", "--author", " ", BREAD_LINK], "author's name is empty"),
        (["collect", "--author", ADA], "no links given"),
        (["collect", "--retry-failed", BREAD_LINK], "give no links"),
        (["search", " "], "question is empty"),
        (["search", "x", "--since", "yesterday"], "no date; write it like 2024-05-01"),
        (["search", "x", "--author", "Nobody"], "no author 'Nobody'"),
        (["documents", "show", "http://blog.example/none"], "no document http://blog.example/none"),
        (["forget"], "give either a link or --author"),
        (["forget", BREAD_LINK], "give --yes"),
        (["status", "--set", "warehose=x"], "did you mean warehouse?"),
        (["status", "--set", "delay"], "write NAME=VALUE"),
        (["status", "--set", "delay=soon"], "TWIN_DELAY: input should be a valid number"),
        (["import", "nowhere"], "nowhere does not exist"),
        (["import", "", "--author", "Ada"], "which archive?"),
        (["run", "nowhere.yaml"], "nowhere.yaml: can't be read: No such file or directory"),
        (["extract", "nowhere.html"], "nowhere.html"),
        (["documents", "export", "missing-folder/out.jsonl"], "can't be written: No such file or directory"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(twin: Run, words: list[str], says: str) -> None:
    code, out, err = twin(*words)
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert code == 2


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TWIN_WAREHOUSE", "postgres://u:secret@db/twin", "postgres://***@db/twin"),
        ("TWIN_WAREHOUSE", "mongodb://u:secret@127.0.0.1:9/twin", "***@127.0.0.1:9"),
        ("TWIN_VECTORS", "redis://localhost", "redis://localhost"),
        ("TWIN_CONCURRENCY", "many", "TWIN_CONCURRENCY"),
        ("TWIN_RESOLVE", "{nojson", "resolve"),
    ],
)
def test_a_bad_setting_is_named_in_one_line_without_its_password(
    twin: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    code, out, err = twin("search", "anything")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert "secret" not in err


def test_a_file_as_home_and_a_broken_dump_are_told_in_one_line(twin: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = twin("status", "--home", "file")
    assert (code, err) == (2, "twin: TWIN_HOME: file is a file; give a folder\n")
    (tmp_path / "ArticleDocument.json").write_text('[{"content": ')
    code, _, err = twin("import", tmp_path)
    assert code == 2
    assert "holds no valid JSON" in err
    code, _, err = twin("import", tmp_path / "file")
    assert (code, err.count("\n")) == (2, 1)
    assert "file is empty" in err
    assert twin("documents", "--json")[1] == "[]\n"


def test_the_home_can_be_given_before_or_after_the_command(twin: Run, tmp_path: Path) -> None:
    assert twin("--home", tmp_path / "one", "status")[0] == 0
    assert twin("status", "--home", tmp_path / "two")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"one", "two"}


def test_any_setting_can_be_an_option_and_beats_the_environment(
    twin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_DELAY", "3")
    (tmp_path / ".env").write_text("TWIN_RETRIES=7\n")
    out = twin("doctor", "--set", "delay=4", "--set", f"TWIN_WAREHOUSE=sqlite:///{tmp_path}/other.sqlite", "--json")[1]
    settings = json.loads(out)["settings"]
    assert (settings["TWIN_DELAY"], settings["TWIN_RETRIES"]) == ("4.0", "7")
    assert (tmp_path / "other.sqlite").is_file()


def test_doctor_says_what_is_there_and_finds_a_misspelt_setting(twin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = twin("doctor")
    assert code == 0
    assert re.search(r"ok\s+warehouse\s+sqlite://.*, 0 documents", out)
    monkeypatch.setenv("TWIN_WAREHOSE", "x")
    code, out, _ = twin("doctor", "--json")
    assert code == 2
    (broken,) = (each for each in json.loads(out)["checks"] if each["state"] == "broken")
    assert (broken["name"], broken["todo"]) == ("TWIN_WAREHOSE", "did you mean TWIN_WAREHOUSE?")
