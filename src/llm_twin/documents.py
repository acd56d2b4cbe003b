"""The values that flow through llm-twin: authors, documents, chunks, hits, outcomes, runs, reports.

All are frozen. The kind of a document is a field, never a class of its own.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_serializer, field_validator

from llm_twin.errors import Reason
from llm_twin.links import canonical, domain_of, without_credentials

Kind = Literal["article", "post", "repository", "code"]
Status = Literal["new", "updated", "unchanged", "removed", "expanded", "skipped", "failed"]
RunState = Literal["running", "finished", "interrupted"]
SearchMode = Literal["dense", "sparse", "hybrid"]

SEARCH_MODES: tuple[SearchMode, ...] = ("dense", "sparse", "hybrid")
KINDS: tuple[Kind, ...] = ("article", "post", "repository", "code")
# A link or picture in Markdown whose target is an address, as opposed to a call in code: `handlers[name](request)`.
LINK = re.compile(
    r"!?\[([^\[\]\n]*(?:\[[^\[\]\n]*\][^\[\]\n]*)*)\]"
    r"\((?:https?://|mailto:|\.{0,2}/|#)[^\s()]*(?:\([^\s()]*\)[^\s()]*)*(?: \"[^\"\n]*\")?\)"
)
SUCCESSES: frozenset[Status] = frozenset({"new", "updated", "unchanged", "expanded"})


def _milliseconds(value: datetime) -> datetime:
    """In UTC and whole milliseconds: the precision of BSON, so that every store gives back what it was given."""
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


Moment = Annotated[datetime, AfterValidator(_milliseconds)]


def now() -> datetime:
    """This moment in UTC, in whole milliseconds."""
    return _milliseconds(datetime.now(UTC))


def digest(*parts: str) -> str:
    """32 hex digits that depend on every part and on where one ends and the next begins."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def body_digest(body: bytes) -> str:
    """32 hex digits by which a page's body is known again."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


class Value(BaseModel):
    """Base of all values here: frozen, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Author(Value):
    """A person whose work is collected. The id stays when the name or the aliases change."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()

    @staticmethod
    def key(name: str) -> str:
        """The form in which names are compared: case, accents' encoding and spacing do not matter."""
        return " ".join(unicodedata.normalize("NFKC", name).casefold().split())

    @classmethod
    def named(cls, name: str, aliases: Iterable[str] = ()) -> Author:
        """A new author, with the id that this name always gets."""
        return cls(id=digest("author", cls.key(name)), name=" ".join(name.split()), aliases=tuple(aliases))


class Link(Value):
    """One link to collect for one author."""

    url: Annotated[str, AfterValidator(without_credentials)]  # which no link may have, and nothing stores
    author: Author
    expand: int = 0  # how many items to take of a link that stands for many; 0: collect the link itself
    since: Moment | None = None  # what is older is left out; what has no date is taken
    listed: bool = False  # found in a list, not named by the user


class Raw(Value):
    """A response as it was fetched, kept so that a better extractor can run again without the network."""

    url: str
    status: int
    headers: dict[str, str]
    fetched_at: Moment
    body: bytes = Field(repr=False)


class Seen(Value):
    """What the page of a link was when it was last collected: enough to ask for it only if it has changed."""

    url: str  # that was asked for, as `Web.get` wrote it
    page_url: str = ""  # that answered, after redirects; the validators are its own. Empty: the same
    etag: str = ""
    last_modified: str = ""
    body_digest: str = ""  # of the unpacked body, see `body_digest`


class Document(Value):
    """One article, post, repository or source file of one author. `text` is Markdown, or code as it is."""

    id: str
    author_id: str
    author: str
    kind: Kind
    platform: str
    link: str
    title: str
    text: str = Field(repr=False)
    published_at: Moment | None = None
    language: str | None = None  # of the text: ISO 639-1; of code: its programming language
    parent_id: str | None = None  # the repository document that a source file belongs to
    metadata: dict[str, Any] = Field(default_factory=dict)  # JSON values: tags, subtitle, commit, left-out files…
    revision: int = 1  # set by the warehouse
    collected_at: Moment = Field(default_factory=now)
    raw: Raw | None = Field(default=None, exclude=True, repr=False)  # on the way into the warehouse only

    @classmethod
    def of(cls, author: Author, link: str, **fields: Any) -> Document:
        """A document of `author` at `link`, with the id that the two determine."""
        link = canonical(link)
        return cls(id=digest(author.id, link), author_id=author.id, author=author.name, link=link, **fields)

    @cached_property
    def content_hash(self) -> str:
        """Changes exactly when what a reader reads does: title, text or date of publication."""
        return digest(self.kind, self.title, self.text, self.published_at.isoformat() if self.published_at else "")


class Chunk(Value):
    """A passage of a cleaned document: `text == clean(document)[start:end]`, offsets in characters."""

    id: str
    document_id: str
    start: int
    end: int
    text: str
    heading: str = ""  # where in the document it stands: "Title › Section"

    @property
    def to_embed(self) -> str:
        """What the embedding model is given: the passage under the path of its headings, links without their targets.

        A quarter of the tokens of web pages in Markdown is addresses, which mean nothing to an embedding.
        """
        text = LINK.sub(r"\1", self.text)
        return f"{self.heading}\n\n{text}" if self.heading else text


class Passage(Value):
    """A found stretch of a document, one chunk or several that touch. Offsets into the cleaned text."""

    text: str
    start: int
    end: int
    score: float
    best: int = 0  # where in `text` the chunk begins that was found best
    heading: str = ""  # of that chunk


class Explanation(Value):
    """Why a document was found, and found there. Ranks count from 1; None: not among the candidates of that mode."""

    mode: SearchMode
    dense_rank: int | None = None
    dense_score: float | None = None  # cosine similarity of its best passage
    sparse_rank: int | None = None
    sparse_score: float | None = None  # BM25 of the whole document, and a share of that of its best passage
    passage_score: float | None = None  # BM25 of its best passage
    dense_weight: float  # that of the dense score in the fused one; the sparse score has the rest
    fused_score: float
    rerank_score: float | None = None
    words: dict[str, float] = Field(default_factory=dict)  # what each matched word and pair adds to the document's BM25


class Hit(Value):
    """One found document with its passages, best first. `score` is of the search's mode, or of the reranker."""

    document_id: str
    title: str
    link: str
    author: str
    kind: Kind
    platform: str
    published_at: Moment | None
    score: float
    passages: tuple[Passage, ...]
    explanation: Explanation | None = None  # where asked for


class Outcome(Value):
    """How one link (or, in an index run, one document) ended. `reason` is set for skipped and failed ones."""

    link: str
    author: str
    status: Status
    reason: Reason | None = None
    detail: str = ""
    title: str = ""
    documents: int = 0  # that this link stands for now
    stored_as: str = ""  # the link of the first of them, which the page may have named itself
    expand: int = 0  # as the link had it that could not be expanded
    since: Moment | None = None  # as the link had it, for a retry
    listed: bool = False  # as the link had it
    transient: bool = False  # a retry may help
    secrets: int = 0  # different ones that were masked in what is stored
    seconds: float = 0.0
    at: Moment = Field(default_factory=now)

    @property
    def domain(self) -> str:
        """The host that the outcome is counted under."""
        return domain_of(self.link)


class Run(Value):
    """One run of a pipeline."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # runs of earlier versions have their links in them
    id: str
    command: str
    key: str  # runs over the same input share it
    state: RunState = "running"
    started_at: Moment = Field(default_factory=now)
    finished_at: Moment | None = None
    host: str = ""
    pid: int = 0
    summary: dict[str, Any] = Field(default_factory=dict)  # what else the pipeline reports: chunks, model, …


class DomainCount(Value):
    """Counts of one domain in one run."""

    successful: int
    total: int
    outcomes: dict[str, int]  # per status, and per reason where there is one: "failed(timeout)"


class Report(Value):
    """What a run did: one outcome per link, plus whatever the pipeline measured."""

    run_id: str
    command: str
    outcomes: Sequence[Outcome] = Field(repr=False)  # not in its text: asyncio makes one of what a task returned
    seconds: float
    interrupted: bool = False
    summary: dict[str, Any] = Field(default_factory=dict)

    @field_validator("outcomes", mode="wrap")
    @classmethod
    def _outcomes(cls, given: Sequence[Any], read: Callable[[Any], Sequence[Outcome]]) -> Sequence[Outcome]:
        # There may be very many, held in a sequence of their own; those of a report that is read are plain values.
        return tuple(read(given)) if isinstance(given, list | tuple) else given

    @field_serializer("outcomes")
    def _written(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        return list(outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    @property
    def secrets(self) -> int:
        """How many secrets were masked, those of each link counted by themselves."""
        return sum(outcome.secrets for outcome in self.outcomes)

    @property
    def domains(self) -> dict[str, DomainCount]:
        """Successful / total per domain."""
        return count_domains(self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """How many outcomes there are of each status."""
        return dict(Counter(outcome.status for outcome in self.outcomes))


def count_domains(outcomes: Iterable[Outcome]) -> dict[str, DomainCount]:
    """Successful / total and the single outcomes per domain, in alphabetical order."""
    by_domain: dict[str, Counter[str]] = {}
    good: Counter[str] = Counter()
    for outcome in outcomes:
        label = f"{outcome.status}({outcome.reason})" if outcome.reason else outcome.status
        by_domain.setdefault(outcome.domain, Counter())[label] += 1
        good[outcome.domain] += outcome.status in SUCCESSES
    return {
        domain: DomainCount(successful=good[domain], total=sum(counts.values()), outcomes=dict(sorted(counts.items())))
        for domain, counts in sorted(by_domain.items())
    }
