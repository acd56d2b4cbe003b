"""Which pipelines a run file asks for, and what the dashboard's views show."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_twin.documents import Outcome, Report
from llm_twin.errors import ConfigError, Reason
from llm_twin.orchestrate.files import read_pipelines
from llm_twin.orchestrate.views import page
from llm_twin.runfile import read_run_file

HANDBOOK = Path(__file__).parents[2].parent / "shared/data/handbook"
OURS = """authors:
  - {name: Ada Example, aliases: [ada], links: [http://a.example/, {link: http://a.example/feed, expand: 5}]}
"""
TWO = """settings: {docker: {skip_build: true}}
parameters:
  author_links:
    - {user_full_name: Ada Example, links: [http://a.example/]}
    - {user_full_name: Ben Example, links: [http://b.example/]}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


def test_authors_with_links_are_collected_and_indexed_unless_a_pipeline_is_named(tmp_path: Path) -> None:
    (planned,) = read_pipelines(write(tmp_path, OURS))
    links = ["http://a.example/", {"link": "http://a.example/feed", "expand": 5}]
    author = {"user_full_name": "Ada Example", "links": links, "aliases": ["ada"]}
    assert (planned.pipeline, planned.parameters) == ("end_to_end_data", {"author_links": [author]})
    (planned,) = read_pipelines(write(tmp_path, OURS), "digital_data_etl")
    assert planned.parameters == author
    (planned,) = read_pipelines(write(tmp_path, OURS), "feature_engineering")
    assert planned.parameters == {"author_full_names": ["Ada Example"]}


def test_the_handbooks_parameters_of_every_pipeline_are_read(tmp_path: Path) -> None:
    each = read_pipelines(write(tmp_path, TWO), "digital_data_etl")
    assert [planned.parameters["user_full_name"] for planned in each] == ["Ada Example", "Ben Example"]
    assert each[0].options == {"settings": {"docker": {"skip_build": True}}}
    assert [link.author.name for link in read_run_file(write(tmp_path, TWO))] == ["Ada Example", "Ben Example"]
    (planned,) = read_pipelines(write(tmp_path, "parameters: {author_full_names: [Ada Example]}\n"))
    assert (planned.pipeline, planned.parameters) == ("feature_engineering", {"author_full_names": ["Ada Example"]})
    (planned,) = read_pipelines(write(tmp_path, "parameters: {artifact_names: [user]}\n"))
    assert (planned.pipeline, planned.parameters) == ("export_artifact_to_json", {"artifact_names": ["user"]})


@pytest.mark.skipif(not HANDBOOK.is_dir(), reason="../shared is absent")
@pytest.mark.parametrize(("name", "count"), [("maxime_labonne", 26), ("paul_iusztin", 50)])
def test_the_handbooks_own_files_ask_for_what_they_say(name: str, count: int) -> None:
    (planned,) = read_pipelines(HANDBOOK / f"digital_data_etl_{name}.yaml", "digital_data_etl")
    assert len(planned.parameters["links"]) == count
    assert planned.options["settings"]["orchestrator.sagemaker"] == {"synchronous": False}


def test_a_pipeline_that_the_file_has_no_parameters_for_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "parameters: {artifact_names: [user]}\n")
    with pytest.raises(ConfigError, match="of export_artifact_to_json, not of digital_data_etl"):
        read_pipelines(path, "digital_data_etl")
    with pytest.raises(ConfigError, match="give --zenml"):
        read_run_file(path)


def test_a_view_escapes_what_came_from_outside_and_shows_failures_first() -> None:
    evil = "<script>alert(1)</script>"
    good = Outcome(link="http://a.example/1", author="Ada", status="new", title=evil)
    bad = Outcome(link=f"http://a.example/{evil}", author="Ada", status="failed", reason=Reason.TIMEOUT, detail=evil)
    html = page(Report(run_id="r", command="collect", outcomes=(good, bad), seconds=1.5, summary={"model": evil}))
    assert "<script" not in html
    assert html.index("timeout</td>") < html.index("http://a.example/1")
    assert "1 / 2" in html


def test_counts_of_counts_are_shown_in_words() -> None:
    kinds = {"article": {"documents": 6, "failed": 0}, "code": {"documents": 8, "failed": 1}}
    summary = {"kinds": kinds, "embed_seconds": 1.421798}
    html = page(Report(run_id="r", command="index", outcomes=(), seconds=2.0, summary=summary))
    for shown in ("kinds: article", "6 documents, 0 failed", "kinds: code", "8 documents, 1 failed", "1.42<"):
        assert shown in html
    assert "{" not in html.partition("</style>")[2]
