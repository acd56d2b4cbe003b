"""Run files: YAML with authors and their links, in our form or one of the handbook's (ZenML run configurations).

authors:
  - name: Ada Lovelace
    aliases: [ada]
    links:
      - https://ada.example/notes.html
      - link: https://ada.example/feed.xml
        expand: 20
        since: 2024-05-01  # of a link, an author, or the whole file
"""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from llm_twin.documents import Author, Link, Moment, Value
from llm_twin.errors import ConfigError

# What else a ZenML run configuration may hold; it says where and how to run, which is not our business here.
ZENML_KEYS = (
    "settings", "steps", "enable_cache", "enable_artifact_metadata", "enable_artifact_visualization",
    "enable_step_logs", "run_name", "schedule", "build", "model", "extra", "retry", "tags", "environment", "secrets",
)  # fmt: skip


def _full_name(name: str) -> str:
    if not (name := " ".join(name.split())):
        raise ValueError("the author's name is empty")
    return name


FullName = Annotated[str, AfterValidator(_full_name)]


class LinkEntry(Value):
    """One link; `expand` > 0 takes that many items of a feed, sitemap, profile or GitHub user."""

    link: str
    expand: int = Field(default=0, ge=0)
    since: Moment | None = None  # what is older is left out


Links = Annotated[
    tuple[Annotated[LinkEntry, BeforeValidator(lambda v: {"link": v} if isinstance(v, str) else v)], ...],
    Field(min_length=1),
]


class AuthorEntry(Value):
    """One author with links."""

    name: FullName
    aliases: tuple[str, ...] = ()
    links: Links
    since: Moment | None = None  # of the links that have none of their own

    def after(self, since: Moment | None) -> AuthorEntry:
        """This author with `since` on every link: its own, else the author's, else the one given."""
        since = self.since or since
        return self.model_copy(
            update={"links": tuple(each.model_copy(update={"since": each.since or since}) for each in self.links)}
        )


class RunFile(Value):
    """Our form."""

    authors: tuple[AuthorEntry, ...] = Field(min_length=1)
    since: Moment | None = None  # of the authors that have none of their own


class EtlParameters(Value):
    """The parameters of the handbook's pipeline `digital_data_etl`."""

    user_full_name: FullName
    links: Links
    aliases: tuple[str, ...] = ()  # ours


class EndToEndParameters(Value):
    """The parameters of the handbook's pipeline `end_to_end_data`."""

    author_links: tuple[EtlParameters, ...] = Field(min_length=1)


class FeatureParameters(Value):
    """The parameters of the handbook's pipeline `feature_engineering`."""

    author_full_names: tuple[FullName, ...] = Field(min_length=1)


class ExportParameters(Value):
    """The parameters of the handbook's pipeline `export_artifact_to_json`."""

    artifact_names: tuple[str, ...] = Field(min_length=1)


Parameters = TypeVar("Parameters", EtlParameters, EndToEndParameters, FeatureParameters, ExportParameters)


class HandbookRun(Value, Generic[Parameters]):
    """The handbook's form, less ZenML's own keys."""

    parameters: Parameters


# The key by which parameters are told apart; without any of them they are those of `digital_data_etl`.
FORMS: dict[str, type[HandbookRun[Any]]] = {
    "author_links": HandbookRun[EndToEndParameters],
    "author_full_names": HandbookRun[FeatureParameters],
    "artifact_names": HandbookRun[ExportParameters],
}


class Loaded(NamedTuple):
    """What a run file holds: authors with links, or the parameters of a pipeline that needs none; and ZenML's keys."""

    authors: tuple[AuthorEntry, ...]
    parameters: FeatureParameters | ExportParameters | None
    zenml: dict[str, Any]


KEYS = tuple(
    dict.fromkeys(
        key for form in (RunFile, AuthorEntry, LinkEntry, HandbookRun[Any], EtlParameters) for key in form.model_fields
    )
)
MESSAGES = {
    "missing": "is missing",
    "too_short": "is empty",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "greater_than_equal": "must not be negative",
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing"), "must be a date, like 2024-05-01"
    ),
    "model_type": "must be a link, or a mapping with `link` and `expand`",
}


def read_run_file(path: Path, since: datetime | None = None) -> list[Link]:
    """The links of a run file; `since` counts before the file's own.

    Raises `ConfigError` that names file, line and key of what is wrong with it.
    """
    loaded = load_run_file(path)
    if loaded.parameters:
        raise ConfigError(f"{path}: there are no links in it, but parameters of a ZenML pipeline; give --zenml")
    return [
        Link(
            url=entry.link,
            author=Author.named(author.name, author.aliases),
            expand=entry.expand,
            since=since or entry.since,
        )
        for author in loaded.authors
        for entry in author.links
    ]


def load_run_file(path: Path) -> Loaded:
    """What a run file holds. Raises `ConfigError` that names file, line and key of what is wrong with it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: can't be read: {why}") from None
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{where}: no valid YAML: {getattr(error, 'problem', None) or error}") from None
    if tree is None or not isinstance(data, dict):
        raise ConfigError(f"{path}:1: a run file starts with `authors:`; see `twin run --help` for an example")
    zenml = {key: value for key, value in data.items() if key in ZENML_KEYS}
    ours = {key: value for key, value in data.items() if key not in ZENML_KEYS}
    try:
        if "parameters" not in ours or "authors" in ours:
            file = RunFile.model_validate(ours)
            return Loaded(tuple(author.after(file.since) for author in file.authors), None, zenml)
        keys = ours["parameters"] if isinstance(ours["parameters"], dict) else {}
        form = next((FORMS[key] for key in keys if key in FORMS), HandbookRun[EtlParameters])
        parameters = form.model_validate(ours).parameters
    except ValidationError as error:
        raise ConfigError(_explain(path, tree, error)) from None
    if isinstance(parameters, FeatureParameters | ExportParameters):
        return Loaded((), parameters, zenml)
    entries = parameters.author_links if isinstance(parameters, EndToEndParameters) else (parameters,)
    authors = [AuthorEntry(name=each.user_full_name, aliases=each.aliases, links=each.links) for each in entries]
    return Loaded(tuple(authors), None, zenml)


def _explain(path: Path, tree: yaml.Node, error: ValidationError) -> str:
    """One line for what is wrong: file, line, key, and the key that was probably meant."""
    # A misspelt key is also a missing one; the misspelling is the cause.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    location = [part for part in first["loc"] if not str(part).startswith("function-")]
    node, line = tree, tree.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if not found:
                break
            node, line = found[1], found[0].start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    if first["type"] == "extra_forbidden":
        close = get_close_matches(str(location[-1]), KEYS, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(KEYS)}"
        return f"{path}:{line}: unknown key {location[-1]!r}; {hint}"
    message = MESSAGES.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{path}:{line}: {'.'.join(map(str, location))}: {message}"
