"""The index on a Qdrant server or in Qdrant Cloud, through qdrant-client."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from httpx import HTTPError
from pydantic import SecretStr
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
from qdrant_edge import SparseVector

from llm_twin.errors import StoreError, TwinError
from llm_twin.settings import masked
from llm_twin.vectors.points import (
    DATE,
    DENSE,
    KEYWORDS,
    LEDGER,
    PAGE,
    SPARSE,
    Payload,
    PointData,
    PointStore,
    Selection,
    conditions,
)
from llm_twin.vectors.store import ChunkFilter

OPEN_SECONDS = 5  # to reach the server
WORK_SECONDS = 60  # for one request; a busy server may take a while to write a batch


class QdrantVectors(PointStore):
    """A `VectorStore` in one collection of a Qdrant server, for vectors of one model.

    `client` is used instead of a connection to `url` where given, and stays open on `close`.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr | None,
        collection: str,
        model: str,
        dimension: int,
        client: QdrantClient | None = None,
    ) -> None:
        self.model = model
        self.dimension = dimension
        self._collection = collection
        self._address = masked(url)
        self._found = False  # the collection exists and is for this model
        self._prepared = False  # its payload indexes exist
        self._own = client is None
        if client is None:
            probe = self._connect(url, key, OPEN_SECONDS)
            try:
                self._look(probe)
            finally:
                probe.close()
        else:
            self._look(client)
        self._client = client or self._connect(url, key, WORK_SECONDS)

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

    def _look(self, client: QdrantClient) -> None:
        """Whether the collection is there, checked to be for this model."""
        with self._errors():
            if not client.collection_exists(self._collection):
                return
            vectors = client.get_collection(self._collection).config.params.vectors
            dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
            if dense is None:
                raise StoreError(
                    f"the collection {self._collection} on {self._address} is no index of llm-twin; set TWIN_COLLECTION"
                )
            points, _ = client.scroll(self._collection, limit=1, with_payload=["model"], with_vectors=False)
            built_with = next(((point.payload or {}).get("model") for point in points), self.model)
        if (built_with, dense.size) != (self.model, self.dimension):
            raise StoreError(
                f"the collection {self._collection} on {self._address} was built with {built_with}"
                f" ({dense.size} dimensions), not with {self.model} ({self.dimension}); set TWIN_MODEL back, or delete"
                " that collection or set another TWIN_COLLECTION and run `twin index`"
            )
        self._found = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the client as one line, which never quotes a request: that would carry the key."""
        try:
            yield
        except TwinError:
            raise
        except UnexpectedResponse as error:
            told = {401: "the key is missing or wrong (TWIN_VECTORS_KEY)", 403: "the key does not allow this"}
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
    def _opened(self, *, create: bool = False) -> Iterator[bool]:
        if not self._found:
            self._look(self._client)
        with self._errors():
            if create and not self._prepared:
                self._prepare()
            yield self._found

    def _prepare(self) -> None:
        """Create what is missing of the collection and its payload indexes."""
        if not self._found:
            try:
                self._client.create_collection(
                    self._collection,
                    vectors_config={DENSE: models.VectorParams(size=self.dimension, distance=models.Distance.COSINE)},
                    sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    hnsw_config=models.HnswConfigDiff(m=0),  # no graph: searches are exact
                )
            except UnexpectedResponse as error:
                if error.status_code != 409:  # another process was faster
                    raise
                self._look(self._client)
            self._found = True
        schemas = dict.fromkeys(KEYWORDS, models.PayloadSchemaType.KEYWORD)
        schemas |= {DATE: models.PayloadSchemaType.DATETIME, LEDGER: models.PayloadSchemaType.INTEGER}
        for name, schema in schemas.items():
            self._client.create_payload_index(self._collection, name, schema, wait=True)
        self._prepared = True

    def _upsert(self, points: Sequence[PointData]) -> None:
        self._client.upsert(self._collection, [_point(point) for point in points], wait=True)

    def _remove(self, ids: Sequence[str]) -> None:
        self._client.delete(self._collection, models.PointIdsList(points=list(ids)), wait=True)

    def _written(self) -> None:
        """Nothing is left to do: each write waited until it was applied."""

    def _scroll(self, selection: Selection, fields: list[str]) -> Iterator[tuple[str, Payload]]:
        offset: models.ExtendedPointId | None = None
        while True:
            records, offset = self._client.scroll(
                self._collection,
                scroll_filter=_filter(selection),
                limit=PAGE,
                offset=offset,
                with_payload=fields or False,
                with_vectors=False,
            )
            for record in records:
                yield str(record.id), record.payload or {}
            if offset is None:
                return

    def _count(self, selection: Selection) -> int:
        return self._client.count(self._collection, count_filter=_filter(selection), exact=True).count

    def _query(
        self, query: list[float] | SparseVector, where: ChunkFilter, limit: int
    ) -> list[tuple[str, float, Payload]]:
        matches, since = conditions(where)
        must: list[models.Condition] = [
            models.FieldCondition(key=name, match=models.MatchValue(value=value)) for name, value in matches.items()
        ]
        if since:
            must.append(models.FieldCondition(key=DATE, range=models.DatetimeRange(gte=since)))
        found = self._client.query_points(
            self._collection,
            query=query if isinstance(query, list) else _sparse(query),
            using=DENSE if isinstance(query, list) else SPARSE,
            query_filter=models.Filter(must=must) if must else None,
            limit=limit,
            with_payload=True,
            search_params=models.SearchParams(exact=True),
        )
        return [(str(point.id), point.score, point.payload or {}) for point in found.points]


def _point(point: PointData) -> models.PointStruct:
    vectors: dict[str, models.Vector] = {}
    if point.dense is not None and point.sparse is not None:
        vectors = {DENSE: point.dense, SPARSE: _sparse(point.sparse)}
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)


def _filter(selection: Selection) -> models.Filter:
    entry = models.FieldCondition(key=LEDGER, match=models.MatchValue(value=1))
    documents: list[models.Condition] = []
    if selection.document_ids is not None:
        documents = [models.FieldCondition(key="document_id", match=models.MatchAny(any=list(selection.document_ids)))]
    if selection.ledger:
        return models.Filter(must=[entry, *documents])
    return models.Filter(must=documents or None, must_not=[entry])
