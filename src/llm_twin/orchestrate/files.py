"""Run files for ZenML: which pipelines to run, with which parameters, and what the file says about how to run them.

Nothing of ZenML here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from llm_twin.documents import Value
from llm_twin.errors import ConfigError
from llm_twin.runfile import AuthorEntry, ExportParameters, FeatureParameters, load_run_file

Name = Literal["end_to_end_data", "digital_data_etl", "feature_engineering", "export_artifact_to_json"]


class Planned(Value):
    """One run of one pipeline. `options`: ZenML's own keys, as settings, steps and schedule."""

    pipeline: Name
    parameters: dict[str, Any]
    options: dict[str, Any] = Field(default_factory=dict)


def read_pipelines(file: Path, pipeline: Name | None = None) -> list[Planned]:
    """What a run file asks for: without `pipeline`, all that it has the parameters for. Raises `ConfigError`."""
    authors, parameters, options = load_run_file(file)
    made: dict[Name, list[dict[str, Any]]]
    match parameters:
        case ExportParameters():
            made = {"export_artifact_to_json": [{"artifact_names": list(parameters.artifact_names)}]}
        case FeatureParameters():
            made = {"feature_engineering": [{"author_full_names": list(parameters.author_full_names)}]}
        case None:
            each = [_author_links(author) for author in authors]
            made = {
                "end_to_end_data": [{"author_links": each}],
                "digital_data_etl": each,
                "feature_engineering": [{"author_full_names": [author.name for author in authors]}],
            }
    name = pipeline or next(iter(made))
    if name not in made:
        raise ConfigError(f"{file}: holds the parameters of {' or '.join(made)}, not of {name}")
    return [Planned(pipeline=name, parameters=one, options=options) for one in made[name]]


def _author_links(author: AuthorEntry) -> dict[str, Any]:
    """One author as the pipelines take it; a link alone where there is no more to say."""
    told = [entry.model_dump(mode="json", exclude_defaults=True) for entry in author.links]
    links = [entry if len(entry) > 1 else entry["link"] for entry in told]
    return {"user_full_name": author.name, "links": links, "aliases": list(author.aliases)}
