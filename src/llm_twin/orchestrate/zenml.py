"""The pipelines for ZenML: data collection, features, both, and artifacts as JSON.

Collection and features meet only in the warehouse and can run on schedules of their own. Steps are few and coarse,
because a step costs a tenth of a second and more, and thin: what they do stands in `pipelines` and `Twin`. They pass
authors, plans and reports, never documents, and read the settings where they run, so that no secret is a parameter.

The first step of a pipeline looks at the world and is never cached. The others are skipped where it says that all is
as they left it (`standing`); then nothing is fetched or embedded, and the artifacts are those of the run before.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from time import perf_counter
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python
from zenml import log_metadata, pipeline, step
from zenml.client import Client
from zenml.config.cache_policy import CachePolicy
from zenml.config.global_config import GlobalConfiguration
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.enums import StoreType, VisualizationType
from zenml.materializers.pydantic_materializer import PydanticMaterializer
from zenml.metadata.metadata_types import MetadataType
from zenml.models import UserUpdate

from llm_twin import indexing
from llm_twin.documents import Author, Link, Outcome, Report, Value
from llm_twin.errors import ConfigError, UsageError
from llm_twin.indexing import Changes, Embedded, Tally
from llm_twin.orchestrate import standing
from llm_twin.orchestrate.facts import SHOWN, crawl_facts, failures, nothing_succeeded, succeeded
from llm_twin.orchestrate.local import settings_here, told
from llm_twin.orchestrate.standing import Cleaned, EmbeddedDocuments, FeaturePlan
from llm_twin.orchestrate.views import page
from llm_twin.runfile import LinkEntry
from llm_twin.runs import RunLog, Silent
from llm_twin.twin import Twin

# No other file imports ZenML: what the rest of this folder needs of it, it takes from here.
__all__ = ["PIPELINES", "Client", "GlobalConfiguration", "StoreType", "UserUpdate", "launch"]

log = logging.getLogger(__name__)


class Logged(Silent):
    """Progress as log lines, which ZenML keeps with the step."""

    def step(self, stage: str, done: int = 1, outcome: Outcome | None = None) -> None:
        """See `Progress`."""
        if outcome:
            log.info("%s %s %s", outcome.status, outcome.link, outcome.reason or "")

    def say(self, text: str) -> None:
        """See `Progress`."""
        log.info("%s", text)


def configuration() -> str:
    """Part of every cache key: a changed setting runs the step again."""
    return standing.configuration_digest(settings_here())


def _twin() -> Twin:
    return Twin(settings_here(), Logged())


def _links(author: Author, links: list[Any]) -> list[Link]:
    """Links as run files have them: the link alone, or with how many items to take of it."""
    entries = [LinkEntry.model_validate({"link": link} if isinstance(link, str) else link) for link in links]
    return [Link(url=entry.link, author=author, expand=entry.expand, since=entry.since) for entry in entries]


# What a step was given counts by its content; where it came from does not.
CACHED = CachePolicy.model_validate({"include_artifact_ids": False, "cache_func": f"{__name__}.configuration"})


# --- artifacts: typed JSON with a view in the dashboard, never cloudpickle ---


class ValueMaterializer(PydanticMaterializer):
    """Any of our frozen values, as JSON."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Value,)

    def save_visualizations(self, data: Value) -> dict[str, VisualizationType]:
        """A page of HTML beside the JSON."""
        path = os.path.join(self.uri, "view.html").replace("\\", "/")  # noqa: PTH118 - a URI of the artifact store
        with self.artifact_store.open(path, "w") as file:
            file.write(page(data))
        return {path: VisualizationType.HTML, **super().save_visualizations(data)}

    def extract_metadata(self, data: BaseModel) -> dict[str, MetadataType]:
        """Nothing by itself: the steps say what is worth knowing."""
        return {}


class AuthorMaterializer(ValueMaterializer):
    """An author."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Author,)


class ReportMaterializer(ValueMaterializer):
    """The report of a run."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Report,)


class FeaturePlanMaterializer(ValueMaterializer):
    """A plan of the feature pipeline."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FeaturePlan,)

    def compute_content_hash(self, data: BaseModel) -> str | None:
        """The state that the plan leads to, not how far it is: the steps of a run that led there are found again."""
        return data.state if isinstance(data, FeaturePlan) else super().compute_content_hash(data)


# --- collection ---


@step(enable_cache=False)
def get_or_create_user(
    user_full_name: str, links: list[Any], aliases: list[str]
) -> tuple[Annotated[Author, "user"], Annotated[bool, "crawl_is_current"]]:
    """The author, added to the warehouse where it is new; and whether crawling these links again can be skipped."""
    with _twin() as twin:
        known = twin.warehouse.author(user_full_name)
        author = twin.warehouse.put_author(known or Author.named(user_full_name, aliases))
        current = standing.crawl_is_current(twin.warehouse, _links(author, links))
    log_metadata(
        metadata={
            "query": {"user_full_name": user_full_name},
            "retrieved": {"user_id": author.id, "name": author.name, "aliases": list(author.aliases), "new": not known},
        },
        infer_artifact=True,
        artifact_name="user",
    )
    return author, current


@step(cache_policy=CACHED)
def crawl_links(user: Author, links: list[Any]) -> Annotated[Report, "crawled_links"]:
    """Collect the links. Raises `LinkError` when none of them succeeded; single failures are in the report."""
    with _twin() as twin:
        report = _whole(twin.collect_links(_links(user, links)))
    facts = crawl_facts(report)
    if not succeeded(report):
        log_metadata(metadata=facts)  # a failed step has no artifact that could carry it
        raise nothing_succeeded(report)
    log_metadata(metadata=facts, infer_artifact=True, artifact_name="crawled_links")
    return report


def _whole(report: Report) -> Report:
    """The report of a run that came to its end; one that was stopped stops the pipeline too."""
    if report.interrupted:
        raise KeyboardInterrupt
    return report


def _crawl(user_full_name: str, links: list[Any], aliases: list[str]) -> None:
    user, current = get_or_create_user(user_full_name, links, aliases)
    # None leaves it to the run's own setting (--no-cache), which False would beat.
    crawl_links.with_options(enable_cache=None if current.load() else False)(user, links)


@pipeline(dynamic=True, depends_on=[get_or_create_user, crawl_links])
def digital_data_etl(user_full_name: str, links: list[Any], aliases: list[str] | None = None) -> None:
    """Collect one author's links into the warehouse."""
    _crawl(user_full_name, links, aliases or [])


# --- features ---


@step(enable_cache=False)
def query_data_warehouse(
    author_full_names: list[str],
) -> tuple[Annotated[FeaturePlan, "index_plan"], Annotated[bool, "index_is_current"]]:
    """What of these authors (none: of all) has to be indexed, and whether nothing has to."""
    with _twin() as twin:
        ids = tuple(sorted({twin.author(name).id for name in author_full_names})) or None
        plan = standing.plan_features(twin, ids)
        facts: dict[str, Any] = {
            "query": {"author_full_names": author_full_names},
            "retrieved": {
                "to_index": len(plan.items),
                "to_remove": len(plan.removed),
                "unchanged": plan.unchanged,
                "kinds": Counter(str(item.kind) for item in plan.items),
                "authors": Counter(item.author for item in plan.items),
                "why": Counter(item.why for item in plan.items),
            },
            "model": twin.embedder.name,
            "state": plan.state,
        }
    log_metadata(metadata=facts, infer_artifact=True, artifact_name="index_plan")
    return plan, plan.is_empty


@step(cache_policy=CACHED)
def clean_documents(plan: FeaturePlan) -> Annotated[Cleaned, "cleaned_documents"]:
    """Clean what the plan names into the feature snapshot; the texts stay there."""
    started = perf_counter()
    failed: list[Outcome] = []
    with _twin() as twin:
        if plan.items:
            with twin.index_lock():
                failed = indexing.clean_documents(twin.warehouse, twin.vectors, plan.items)
    done = Cleaned(documents=len(plan.items) - len(failed), failed=tuple(failed), seconds=_since(started))
    facts: dict[str, Any] = {
        "documents": done.documents,
        "failed": len(failed),
        "kinds": Counter(str(item.kind) for item in plan.items),
        "authors": Counter(item.author for item in plan.items),
        "seconds": done.seconds,
    }
    log_metadata(metadata=facts, infer_artifact=True, artifact_name="cleaned_documents")
    return done


@step(cache_policy=CACHED)
def chunk_and_embed(plan: FeaturePlan, cleaned: Cleaned) -> Annotated[EmbeddedDocuments, "embedded_documents"]:
    """Cut the cleaned documents and embed their chunks; the vectors go into the index, beside the former ones."""
    started = perf_counter()
    done: list[Embedded] = []
    with _twin() as twin:
        if plan.items:
            with twin.index_lock():
                done = list(indexing.embed_documents(twin.vectors, twin.embedder, twin.chunker, plan.items, Logged()))
        tally = Tally()
        for each in done:
            tally.count(each)
        summary = tally.summary(Changes([], [], 0))
        facts = {name: summary[name] for name in ("chunks_embedded", "chunks_reused", "kinds", "authors")} | {
            "model": twin.embedder.name,
            "max_tokens": twin.embedder.max_tokens,
            "fingerprints": {each.outcome.link: each.fingerprint for each in done[:SHOWN]},
            "seconds": _since(started),
        }
    log_metadata(metadata=facts, infer_artifact=True, artifact_name="embedded_documents")
    return EmbeddedDocuments(items=tuple(done), seconds=_since(started))


@step(cache_policy=CACHED)
def load_to_vector_db(
    plan: FeaturePlan, cleaned: Cleaned, embedded: EmbeddedDocuments
) -> Annotated[Report, "index_report"]:
    """Make the new chunks the index: former ones leave, documents are noted as done, what is gone is deleted.

    Raises `LinkError` when documents had to be indexed and none could be.
    """
    with _twin() as twin:
        report = _whole(twin.index()) if plan.rebuild else _finished(twin, plan, cleaned, embedded)
    facts = {
        **report.summary,
        "failed": failures(report),
        "run_id": report.run_id,
        "seconds": round(report.seconds, 3),
    }
    if not succeeded(report):
        log_metadata(metadata=facts)
        raise nothing_succeeded(report)
    log_metadata(metadata=facts, infer_artifact=True, artifact_name="index_report")
    return report


def _finished(twin: Twin, plan: FeaturePlan, cleaned: Cleaned, embedded: EmbeddedDocuments) -> Report:
    tally = Tally(failed=len(cleaned.failed))
    with twin.index_lock(), RunLog(twin.warehouse, "index") as log_book:
        indexing.finish(twin.vectors, embedded.items, plan.removed)
        log_book.add(*cleaned.failed, *(each.outcome for each in embedded.items))
        for each in embedded.items:
            tally.count(each)
        log_book.summary |= tally.summary(Changes([], list(plan.removed), plan.unchanged)) | {
            "chunks": twin.vectors.count(),
            "model": twin.embedder.name,
            "max_tokens": twin.embedder.max_tokens,
        }
    last = log_book.report()
    return last.model_copy(update={"seconds": cleaned.seconds + embedded.seconds + last.seconds})


def _since(started: float) -> float:
    return round(perf_counter() - started, 3)


def _features(author_full_names: list[str]) -> None:
    plan, current = query_data_warehouse(author_full_names)
    cached = None if current.load() else False
    cleaned = clean_documents.with_options(enable_cache=cached)(plan)
    embedded = chunk_and_embed.with_options(enable_cache=cached)(plan, cleaned)
    load_to_vector_db.with_options(enable_cache=cached)(plan, cleaned, embedded)


@pipeline(dynamic=True, depends_on=[query_data_warehouse, clean_documents, chunk_and_embed, load_to_vector_db])
def feature_engineering(author_full_names: list[str] | None = None) -> None:
    """Bring the index in step with the warehouse, for these authors or for all."""
    _features(author_full_names or [])


# --- both, and artifacts as files ---


@pipeline(
    dynamic=True,
    depends_on=[
        get_or_create_user,
        crawl_links,
        query_data_warehouse,
        clean_documents,
        chunk_and_embed,
        load_to_vector_db,
    ],
)
def end_to_end_data(author_links: list[dict[str, Any]]) -> None:
    """Collect the links of each author, then index these authors: `user_full_name`, `links`, perhaps `aliases`."""
    for author in author_links:
        _crawl(author["user_full_name"], author["links"], author.get("aliases") or [])
    _features([author["user_full_name"] for author in author_links])


@step(enable_cache=False)
def serialize_artifact(artifact_name: str) -> Annotated[str, "exported"]:
    """Write the newest version of an artifact as JSON below the home folder; the file's path."""
    settings = settings_here()
    client = Client()
    try:
        artifact = client.get_artifact_version(artifact_name)
    except KeyError:
        raise UsageError(f"no artifact {artifact_name!r}; the pipelines make {', '.join(ARTIFACTS)}") from None
    if "cloudpickle" in artifact.materializer.import_path:
        raise UsageError(f"artifact {artifact_name!r} is pickled, and loading a pickle runs whatever is in it")
    value = to_jsonable_python(artifact.load())
    name = re.sub(r"[^\w.-]", "_", artifact_name)
    file = settings.home.expanduser() / "artifacts" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    data = {"artifact_name": artifact_name, "version": artifact.version, "data": value}
    file.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", "utf-8")
    log_metadata(
        metadata={"path": str(file), "version": str(artifact.version)}, infer_artifact=True, artifact_name="exported"
    )
    return str(file)


@pipeline(dynamic=True, depends_on=[serialize_artifact])
def export_artifact_to_json(artifact_names: list[str]) -> None:
    """Write artifacts as JSON files below the home folder."""
    for name in artifact_names:
        serialize_artifact(name)


ARTIFACTS = ("user", "crawled_links", "index_plan", "cleaned_documents", "embedded_documents", "index_report")
PIPELINES = {
    each.name: each for each in (digital_data_etl, feature_engineering, end_to_end_data, export_artifact_to_json)
}


def launch(name: str, parameters: dict[str, Any], *, cache: bool = True, options: dict[str, Any] | None = None) -> Any:
    """Run a pipeline on the active stack and wait for it; the run, or None where a schedule was set up.

    `options`: what else a ZenML run configuration may hold (settings, steps, schedule, …). Raises what a step raised.
    """
    chosen = dict(options or {})
    try:
        schedule = PipelineRunConfiguration.model_validate(chosen).schedule
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']} (a key of ZenML's)") from None
    if schedule:
        if not Client().active_stack.orchestrator.config.is_schedulable:
            raise UsageError("the active stack's orchestrator runs no schedules; leave out `schedule`: docs/zenml.md")
        chosen["schedule"] = schedule
    if not cache:
        chosen["enable_cache"] = False
    with told():
        return PIPELINES[name].with_options(**chosen)(**parameters)
