"""The pipelines on a real ZenML: what they leave behind, what the dashboard is told, and when a step is skipped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blog import BREAD, SAILS, page
from llm_twin import Settings, Twin
from llm_twin.demo import sample
from llm_twin.demo.server import DemoServer
from llm_twin.errors import ConfigError, LinkError, StoreError, UsageError
from server import LocalServer

Launch = Callable[..., tuple[Any, dict[str, str]]]
ADA = "Ada Example"
BREAD_LINK, SAILS_LINK, GONE_LINK = (f"http://blog.example/{name}" for name in ("bread", "sails", "gone"))
LOOKS = {"get_or_create_user", "query_data_warehouse"}
CONNECTS: list[Any] = []
WATCHING = [False]


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHING[0] and event in ("socket.connect", "socket.getaddrinfo"):
        CONNECTS.append(arguments[1] if event == "socket.connect" else arguments[0])


sys.addaudithook(_watch)


@contextmanager
def watched_network() -> Iterator[list[Any]]:
    """The addresses and names that are connected to or looked up meanwhile, by any thread of this process."""
    CONNECTS.clear()
    WATCHING[0] = True
    try:
        yield CONNECTS
    finally:
        WATCHING[0] = False


def metadata(run: Any, step: str, artifact: str) -> dict[str, Any]:
    """What was logged with an artifact."""
    return dict(run.steps[step].outputs[artifact][0].run_metadata)


def test_all_of_the_demo_is_collected_and_indexed_as_by_the_twin_itself_and_then_cached(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zenml.client import Client

    with DemoServer() as server:
        monkeypatch.setenv("TWIN_RESOLVE", json.dumps(server.resolve))
        links = [
            {"link": server.link(host, path), "expand": expand} if expand else server.link(host, path)
            for host, path, expand in sample.LINKS
        ]
        parameters = {"author_links": [{"user_full_name": sample.AUTHOR, "links": links, "aliases": ["mira"]}]}
        with watched_network() as connects:
            run, steps = launch("end_to_end_data", parameters)
            again, cached = launch("end_to_end_data", parameters)
        forced = launch("end_to_end_data", parameters, cache=False)[1]
        with Twin(Settings.load()) as ours, Twin(Settings.load(home=tmp_path / "plain")) as plain:
            plain.collect(sample.AUTHOR, links[1:])
            plain.collect(sample.AUTHOR, [links[0]["link"]], expand=10)
            plain.index()
            assert ours.vectors.chunk_ids() == plain.vectors.chunk_ids()
            assert ours.warehouse.count() == plain.warehouse.count() == 16
            assert ours.author("mira").name == sample.AUTHOR
    assert set(steps.values()) == {"completed"}
    assert {step for step, status in cached.items() if status == "completed"} == LOOKS
    assert set(cached.values()) == {"completed", "cached"}
    assert set(forced.values()) == {"completed"}

    outside = {str(each) for each in connects if "127.0.0.1" not in str(each) and ".localhost" not in str(each)}
    assert not {each for each in outside if each not in ("localhost", "None") and not each.startswith("/")}

    crawled = metadata(run, "crawl_links", "crawled_links")
    assert crawled["domains"]["blog.localhost"]["total"] == 5
    assert crawled["domains"]["git.localhost"] == {
        "successful": 1, "up_to_date": 0, "total": 1, "outcomes": {"new": 1},
    }  # fmt: skip
    user = metadata(run, "get_or_create_user", "user")
    assert user["query"] == {"user_full_name": sample.AUTHOR}
    assert user["retrieved"]["new"] is True
    assert metadata(again, "get_or_create_user", "user")["retrieved"]["new"] is False
    embedded = metadata(run, "chunk_and_embed", "embedded_documents")
    assert embedded["kinds"]["article"]["documents"] == 6
    assert embedded["authors"][sample.AUTHOR]["chunks"] == embedded["chunks_embedded"] + embedded["chunks_reused"]
    assert embedded["model"].startswith("sentence-transformers/all-MiniLM-L6-v2")
    assert all(embedded["fingerprints"].values())
    report = metadata(run, "load_to_vector_db", "index_report")
    assert report["documents"]["new"] == 16

    artifacts = Client().list_artifact_versions(size=500).items
    assert {each.artifact.name for each in artifacts} >= {"user", "crawled_links", "index_plan", "index_report"}
    assert not [each.artifact.name for each in artifacts if "cloudpickle" in each.materializer.import_path.lower()]
    (view,) = (
        each for each in run.steps["crawl_links"].outputs["crawled_links"][0].visualizations if "html" in each.uri
    )
    assert "newsletter.localhost" in Path(view.uri).read_text()


def test_neither_texts_nor_secrets_reach_zenmls_files(
    launch: Launch, zenml_state: Path, both: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_GITHUB_TOKEN", "s3cret-pass")
    launch("end_to_end_data", both)
    files = [path.read_bytes() for path in zenml_state.rglob("*") if path.is_file()]
    assert not [phrase for phrase in (BREAD[1], "s3cret-pass") for file in files if phrase.encode() in file]


def test_on_mongodb_the_pipelines_meet_only_in_the_warehouse(
    launch: Launch, mongo_warehouse_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_WAREHOUSE", mongo_warehouse_address)
    etl = {"user_full_name": ADA, "links": [BREAD_LINK]}
    assert launch("digital_data_etl", etl)[1] == {"get_or_create_user": "completed", "crawl_links": "completed"}
    with Twin() as twin:
        assert (twin.warehouse.count(), twin.vectors.count()) == (1, 0)
    features = {"author_full_names": [ADA]}
    assert set(launch("feature_engineering", features)[1].values()) == {"completed"}
    with Twin() as twin:
        assert twin.search("how to bake bread")[0].link == BREAD_LINK
    assert launch("digital_data_etl", etl)[1]["crawl_links"] == "cached"
    assert launch("feature_engineering", features)[1]["load_to_vector_db"] == "cached"


def test_a_changed_warehouse_or_setting_is_not_skipped(
    launch: Launch, both: dict[str, Any], twin: Twin, world: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch("end_to_end_data", both)
    world.route("blog.example", "/bread", body=page("How to bake rye", *SAILS))
    twin.collect(ADA, [BREAD_LINK])  # the document is rewritten behind ZenML's back
    run, steps = launch("end_to_end_data", both)
    assert set(steps.values()) == {"completed"}
    assert metadata(run, "load_to_vector_db", "index_report")["documents"]["updated"] == 1
    assert metadata(run, "crawl_links", "crawled_links")["domains"]["blog.example"]["up_to_date"] == 2

    twin.forget_link(SAILS_LINK)
    twin.close()
    assert launch("end_to_end_data", both)[1]["crawl_links"] == "completed"
    with Twin() as opened:
        assert opened.document(SAILS_LINK)

    assert launch("end_to_end_data", both)[1]["crawl_links"] == "cached"
    monkeypatch.setenv("TWIN_MAX_PAGE_BYTES", "9000000")
    assert set(launch("end_to_end_data", both)[1].values()) == {"completed"}


def test_an_index_that_was_lost_is_built_again_though_zenml_remembers_the_run(
    launch: Launch, both: dict[str, Any], tmp_path: Path
) -> None:
    launch("end_to_end_data", both)
    for path in sorted((tmp_path / "home" / "vectors").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    steps = launch("feature_engineering", {"author_full_names": [ADA]})[1]
    assert steps["load_to_vector_db"] == "completed"
    with Twin() as twin:
        assert twin.search("how to bake bread")


def test_a_failed_link_is_told_fails_no_run_and_is_tried_again(launch: Launch, world: LocalServer) -> None:
    etl = {"user_full_name": ADA, "links": [BREAD_LINK, GONE_LINK]}
    run, steps = launch("digital_data_etl", etl)
    assert steps["crawl_links"] == "completed"
    told = metadata(run, "crawl_links", "crawled_links")
    assert told["domains"]["blog.example"]["outcomes"] == {"failed(not_found)": 1, "new": 1}
    assert told["domains"]["blog.example"]["successful"] == 1
    assert told["failed"][0].startswith(f"{GONE_LINK}: not_found")
    world.route("blog.example", "/gone", body=page("Gybing a spinnaker", *SAILS))
    again, steps = launch("digital_data_etl", etl)
    assert steps["crawl_links"] == "completed"
    domain = metadata(again, "crawl_links", "crawled_links")["domains"]["blog.example"]
    assert (domain["successful"], domain["up_to_date"]) == (1, 1), "what was up to date is no success of this crawl"


def test_a_run_in_which_nothing_succeeded_fails_and_says_why(launch: Launch) -> None:
    from zenml.client import Client

    with pytest.raises(LinkError, match="not_found: none of 1 succeeded; first: http://blog.example/gone"):
        launch("digital_data_etl", {"user_full_name": ADA, "links": [GONE_LINK]})
    (run,) = Client().list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True).items
    assert str(run.status.value) == "failed"
    assert run.steps["crawl_links"].run_metadata["outcomes"] == {"failed": 1}


def test_a_run_whose_store_is_out_of_reach_fails(launch: Launch, both: dict[str, Any], monkeypatch: Any) -> None:
    from zenml.client import Client

    monkeypatch.setenv("TWIN_WAREHOUSE", "mongodb://u:s3cret@127.0.0.1:9/twin")
    with pytest.raises(StoreError, match=r"\*\*\*@127.0.0.1:9"):
        launch("end_to_end_data", both)
    (run,) = Client().list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True).items
    assert str(run.status.value) == "failed"


def test_artifacts_are_written_as_json(launch: Launch, both: dict[str, Any], tmp_path: Path) -> None:
    launch("end_to_end_data", both)
    launch("export_artifact_to_json", {"artifact_names": ["user", "index_report"]})
    exported = json.loads((tmp_path / "home/artifacts/index_report.json").read_text())
    assert exported["artifact_name"] == "index_report"
    assert exported["data"]["summary"]["documents"]["new"] == 2
    assert json.loads((tmp_path / "home/artifacts/user.json").read_text())["data"]["name"] == ADA
    with pytest.raises(UsageError, match="no artifact 'nothing'"):
        launch("export_artifact_to_json", {"artifact_names": ["nothing"]})


def test_settings_are_exported_masked_and_read_where_the_environment_leaves_them_open(
    zenml_state: Path, world: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zenml.client import Client

    from llm_twin.orchestrate import local

    try:
        monkeypatch.setenv("TWIN_WAREHOUSE", "mongodb://ada:s3cret@db.example/twin")
        monkeypatch.setenv("TWIN_GITHUB_TOKEN", "s3cret")
        shown = local.export_settings(Settings.load())
        assert shown["TWIN_WAREHOUSE"] == "mongodb://***@db.example/twin"
        assert "s3cret" not in json.dumps(shown)
        assert "TWIN_HOME" not in shown
        for name in ("TWIN_WAREHOUSE", "TWIN_GITHUB_TOKEN", "TWIN_RESOLVE"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("TWIN_RETRIES", "5")
        there = local.settings_here()
        assert there.warehouse_address == "mongodb://ada:s3cret@db.example/twin"
        assert there.resolve == world.resolve
        assert there.retries == 5, "the environment comes first"
        assert "TWIN_WAREHOUSE" not in local.export_settings(Settings.load())
        assert local.settings_here().warehouse_address.startswith("sqlite://")
    finally:
        Client().delete_secret(local.SECRET)


def test_an_unknown_author_is_named(launch: Launch) -> None:
    with pytest.raises((UsageError, ConfigError), match="no author 'Nobody'"):
        launch("feature_engineering", {"author_full_names": ["Nobody"]})


def test_what_a_file_says_about_another_stack_stops_no_local_run(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "settings": {
            "docker": {"parent_image": "registry.example/twin", "skip_build": True},
            "orchestrator.sagemaker": {"synchronous": False},
        },
        "steps": {"crawl_links": {"settings": {"resources": {"cpu_count": 2}}}},
        "enable_cache": True,
        "run_name": "from_a_file",
    }
    etl = {"user_full_name": ADA, "links": [BREAD_LINK]}
    run, steps = launch("digital_data_etl", etl, options=options)
    assert (run.name, steps["crawl_links"]) == ("from_a_file", "completed")
    assert run.steps["crawl_links"].config.resource_settings.cpu_count == 2
    with pytest.raises(UsageError, match="the active stack's orchestrator runs no schedules"):
        launch("digital_data_etl", etl, options={"schedule": {"name": "nightly", "cron_expression": "0 2 * * *"}})
    with pytest.raises(ConfigError, match="cron"):
        launch("digital_data_etl", etl, options={"schedule": {"cron": "0 2 * * *"}})
