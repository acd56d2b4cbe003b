"""The index on a Qdrant server or in Qdrant Cloud, through qdrant-client.

What is searched are aliases, `<collection>` and `<collection>_documents`. They stand for the two collections of a
generation, whose names end in its number; a rebuild makes a new one and switches both aliases in one request.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from httpx import HTTPError
from pydantic import SecretStr
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
from qdrant_edge import SparseVector

from llm_twin.errors import OutdatedError, StoreError, TwinError
from llm_twin.settings import masked
from llm_twin.vectors.payloads import (
    CHUNKS,
    DATE,
    DENSE,
    DOCUMENTS,
    KEYWORDS,
    NAMES,
    SPARSE,
    Name,
    Payload,
    PointData,
    Selection,
    document_point_id,
)
from llm_twin.vectors.points import PointStore

OPEN_SECONDS = 5  # to reach the server
WORK_SECONDS = 60  # for one request; a busy server may take a while to write a batch
# As the embedded index searches, which is the same engine: all vectors as bytes, the nearest again as they are.
QUANTIZATION = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99)
)
SEARCH = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=3.0))
Generation = dict[Name, str]  # the two collections' names on the server


class QdrantVectors(PointStore):
    """A `VectorStore` on a Qdrant server, for vectors of one model.

    `client` is used instead of a connection to `url` where given, and stays open on `close`. `draft`: see
    `open_vectors`.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr | None,
        collection: str,
        model: str,
        dimension: int,
        client: QdrantClient | None = None,
        *,
        draft: bool = False,
    ) -> None:
        self.model = model
        self.dimension = dimension
        self._collection = collection
        self._address = masked(url)
        self._draft = draft
        self._generation: Generation | None = None  # what the aliases stood for when they were looked at
        self._own = client is None
        if client is None:
            probe = self._connect(url, key, OPEN_SECONDS)
            try:
                self._begin(probe)
            finally:
                probe.close()
        else:
            self._begin(client)
        self._client = client or self._connect(url, key, WORK_SECONDS)

    def publish(self) -> None:
        """Make a draft the index in use by one request that switches both aliases; the former index is removed."""
        if not self._draft:
            return
        with self._opened(create=True), self._errors():  # a rebuild of nothing is an empty index
            assert self._generation  # noqa: S101 - created
            aliases = self._aliases(self._client)
            for name in NAMES:  # of a version that had no aliases
                if self._alias(name, draft=False) not in aliases and self._client.collection_exists(
                    self._alias(name, draft=False)
                ):
                    self._client.delete_collection(self._alias(name, draft=False))
            changes: list[models.AliasOperations] = []
            for name in NAMES:
                for draft in (False, True):
                    alias = self._alias(name, draft=draft)
                    if alias in aliases:
                        changes.append(_without(alias))
                changes.append(_with(self._alias(name, draft=False), self._generation[name]))
            self._client.update_collection_aliases(changes)
            self._draft = False
            self._remove_strays(self._client)

    def discard(self) -> None:
        """Remove a draft."""
        if self._draft:
            with self._errors():
                self._remove_draft(self._client)
            self._generation = None

    def erase(self) -> None:
        """Nothing to do from here: the server rewrites a segment once a fifth of its points are removed."""

    def close(self) -> None:
        """Close the connection. Closing twice is fine."""
        if self._own:
            self._client.close()

    def _connect(self, url: str, key: SecretStr | None, seconds: int) -> QdrantClient:
        with self._errors(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # the user's own choice
            return QdrantClient(
                url=url, api_key=key.get_secret_value() if key else None, timeout=seconds, check_compatibility=False
            )

    def _alias(self, name: Name, *, draft: bool | None = None) -> str:
        draft = self._draft if draft is None else draft
        return self._collection + ("_documents" if name == DOCUMENTS else "") + ("_draft" if draft else "")

    def _aliases(self, client: QdrantClient) -> dict[str, str]:
        return {alias.alias_name: alias.collection_name for alias in client.get_aliases().aliases}

    def _begin(self, client: QdrantClient) -> None:
        with self._errors():
            try:
                self._look(client)
            except OutdatedError:
                if not self._draft:
                    raise
                self._remove_draft(client)  # that a stopped rebuild left of another model

    def _look(self, client: QdrantClient) -> None:
        """What the aliases stand for, checked to be for this model."""
        aliases = self._aliases(client)
        found: Generation = {name: aliases[self._alias(name)] for name in NAMES if self._alias(name) in aliases}
        if len(found) < len(NAMES):
            if not self._draft and client.collection_exists(self._collection):
                self._check_former(client)
            self._generation = None
            return
        vectors = client.get_collection(found[CHUNKS]).config.params.vectors
        dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
        if dense is None:
            raise StoreError(
                f"the collection {found[CHUNKS]} on {self._address} is no index of llm-twin; set TWIN_COLLECTION"
            )
        points, _ = client.scroll(found[DOCUMENTS], limit=1, with_payload=["model", "document_id"], with_vectors=False)
        if any(document_point_id((point.payload or {})["document_id"]) != str(point.id) for point in points):
            raise OutdatedError(self._other_version)
        built_with = next(((point.payload or {}).get("model") for point in points), self.model)
        if (built_with, dense.size) != (self.model, self.dimension):
            raise OutdatedError(
                f"the index {self._collection} on {self._address} was built with {built_with} ({dense.size}"
                f" dimensions), not with {self.model} ({self.dimension}); `twin index` rebuilds it, or set TWIN_MODEL"
                " back",
                str(built_with),
                dense.size,
            )
        self._generation = found

    def _check_former(self, client: QdrantClient) -> None:
        """Raises what fits a collection that is no alias."""
        vectors = client.get_collection(self._collection).config.params.vectors
        if isinstance(vectors, dict) and DENSE in vectors:
            raise OutdatedError(self._other_version)
        raise StoreError(
            f"the collection {self._collection} on {self._address} is no index of llm-twin; set TWIN_COLLECTION"
        )

    @property
    def _other_version(self) -> str:
        return (
            f"the index {self._collection} on {self._address} was built by another version of llm-twin;"
            " `twin index` rebuilds it"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the client as one line, which never quotes a request: that would carry the key."""
        try:
            yield
        except TwinError:
            raise
        except UnexpectedResponse as error:
            told = {
                401: "the key is missing or wrong (TWIN_VECTORS_KEY)",
                403: "the key does not allow this",
                404: "it has no such collection; another process may have replaced or deleted it meanwhile",
            }
            text = told.get(error.status_code or 0, f"HTTP {error.status_code}: {error.reason_phrase}")
            raise StoreError(f"the vector server {self._address} refused: {text}") from None
        except (ApiException, HTTPError, OSError) as error:
            cause = error.source if isinstance(error, ResponseHandlingException) else error
            raise StoreError(
                f"the vector server {self._address} can't be reached or answers nonsense ({type(cause).__name__});"
                " is it running, and is TWIN_VECTORS right?"
            ) from None
        except ValueError as error:  # what the client itself finds wrong
            raise StoreError(f"the vector server {self._address}: {' '.join(str(error).split())[:300]}") from None

    @contextmanager
    def _opened(self, *, write: bool = False, create: bool = False) -> Iterator[bool]:
        with self._errors():
            if write or create or not self._generation:
                self._look(self._client)  # another process may have put another index there
            if create and not self._generation:
                self._create()
            try:
                yield self._generation is not None
            except UnexpectedResponse:
                self._look(self._client)  # says so when the vectors there are of another model now
                raise

    def _create(self) -> None:
        """Make the two collections, and their aliases last, so that a half-made index is never seen."""
        number = uuid4().hex[:8]
        made: Generation = {name: f"{self._alias(name, draft=False)}_{number}" for name in NAMES}
        for name in NAMES:
            dense = models.VectorParams(
                size=self.dimension, distance=models.Distance.COSINE, quantization_config=QUANTIZATION
            )
            sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
            self._client.create_collection(
                made[name],
                vectors_config={DENSE: dense} if name == CHUNKS else {},
                sparse_vectors_config={SPARSE: sparse},
                hnsw_config=models.HnswConfigDiff(m=0),  # no graph, see the embedded index
            )
            schemas = dict.fromkeys(KEYWORDS[name], models.PayloadSchemaType.KEYWORD)
            for field, schema in (schemas | {DATE: models.PayloadSchemaType.DATETIME}).items():
                self._client.create_payload_index(made[name], field, schema, wait=True)
        self._client.update_collection_aliases([_with(self._alias(name), made[name]) for name in NAMES])
        self._look(self._client)

    def _remove_draft(self, client: QdrantClient) -> None:
        aliases = self._aliases(client)
        draft = [alias for name in NAMES if (alias := self._alias(name, draft=True)) in aliases]
        if draft:
            client.update_collection_aliases([_without(alias) for alias in draft])
        self._remove_strays(client)

    def _remove_strays(self, client: QdrantClient) -> None:
        """Delete the generations of this index that no alias stands for."""
        used = set(self._aliases(client).values())
        ours = re.compile(rf"{re.escape(self._collection)}(_documents)?_[0-9a-f]{{8}}")
        for collection in client.get_collections().collections:
            if ours.fullmatch(collection.name) and collection.name not in used:
                client.delete_collection(collection.name)

    def _target(self, name: Name) -> str:
        """Where to write: the collection itself, so that nothing lands in an index that took its place meanwhile."""
        assert self._generation  # noqa: S101 - only reached inside `_opened`
        return self._generation[name]

    def _upsert(self, name: Name, points: Sequence[PointData]) -> None:
        self._client.upsert(self._target(name), [_point(point) for point in points], wait=True)

    def _set(self, name: Name, payloads: Mapping[str, Payload]) -> None:
        self._client.batch_update_points(
            self._target(name),
            [
                models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, points=[point]))
                for point, payload in payloads.items()
            ],
            wait=True,
        )

    def _remove(self, name: Name, ids: Sequence[str]) -> None:
        self._client.delete(self._target(name), models.PointIdsList(points=list(ids)), wait=True)

    def _flush(self, name: Name) -> None:
        """Nothing is left to do: each write waited until it was applied."""

    def _optimize(self) -> None:
        """The server does it by itself."""

    def _page(
        self, name: Name, selection: Selection, fields: list[str] | bool, size: int, offset: Any
    ) -> tuple[list[tuple[str, Payload]], Any]:
        records, following = self._client.scroll(
            self._alias(name),
            scroll_filter=_filter(selection),
            limit=size,
            offset=offset,
            with_payload=fields,
            with_vectors=False,
        )
        return [(str(record.id), record.payload or {}) for record in records], following

    def _dense_vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        records = self._client.retrieve(self._alias(CHUNKS), list(ids), with_payload=False, with_vectors=[DENSE])
        return {str(record.id): record.vector[DENSE] for record in records if isinstance(record.vector, dict)}

    def _payloads(self, ids: Sequence[str]) -> dict[str, Payload]:
        records = self._client.retrieve(self._alias(CHUNKS), list(ids), with_payload=True, with_vectors=False)
        return {str(record.id): record.payload or {} for record in records}

    def _count(self, name: Name) -> int:
        return self._client.count(self._alias(name), exact=True).count

    def _query(
        self, name: Name, query: list[float] | SparseVector, selection: Selection, limit: int, fields: list[str] | bool
    ) -> list[tuple[str, float, Payload]]:
        found = self._client.query_points(
            self._alias(name),
            query=query if isinstance(query, list) else _sparse(query),
            using=DENSE if isinstance(query, list) else SPARSE,
            query_filter=_filter(selection),
            limit=limit,
            with_payload=fields,
            search_params=SEARCH,
        )
        return [(str(point.id), point.score, point.payload or {}) for point in found.points]


def _with(alias: str, collection: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))


def _without(alias: str) -> models.DeleteAliasOperation:
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))


def _point(point: PointData) -> models.PointStruct:
    vectors: dict[str, models.Vector] = {SPARSE: _sparse(point.sparse)}
    if point.dense is not None:
        vectors[DENSE] = point.dense
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)


def _filter(selection: Selection) -> models.Filter | None:
    must: list[models.Condition] = [
        models.FieldCondition(key=name, match=models.MatchAny(any=list(values)))
        for name, values in selection.any_of.items()
    ]
    if selection.since:
        must.append(models.FieldCondition(key=DATE, range=models.DatetimeRange(gte=selection.since)))
    if selection.span:
        start, end = selection.span
        must.append(models.FieldCondition(key="end", range=models.Range(gt=start)))
        if end is not None:
            must.append(models.FieldCondition(key="start", range=models.Range(lt=end)))
    return models.Filter(must=must) if must else None
