"""The embedded index: Qdrant's engine inside this process (qdrant-edge), one folder on disk.

Only one process can have the folder open, so it is opened late and closed early, under a lock beside it. Its
write-ahead log is replayed when it is opened, so a killed process leaves a prefix of what it wrote.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock, Timer

import qdrant_edge as qdrant
from pydantic import BaseModel, ValidationError
from qdrant_edge import FieldCondition, Filter, MatchAny, MatchValue, Memory, UpdateOperation

from llm_twin import locks
from llm_twin.errors import StoreError, TwinError
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

# How long the folder stays open after a call when nobody waits for it: opening costs 0.1 to 0.5 s, and calls come in
# groups (a search makes two). Embedding a batch takes longer, so another process gets in between two `put`s.
LINGER_SECONDS = 0.25
# Points live in one small segment that is written to and in larger ones that open fast. Turning the former into the
# latter is what `optimize` does, at some 10,000 points a second while the lock is held: these sizes bound a pause to
# about 5 s and the opening of 100,000 points to half a second. In kB of dense vectors.
WRITABLE_SEGMENT_KB = 20_000
LARGEST_SEGMENT_KB = 60_000
# A full disk below memory-mapped files ends in SIGBUS, not in an error: better not to begin.
FREE_BYTES = 150_000_000


log = logging.getLogger(__name__)


class Meta(BaseModel):
    """What the folder was built for, kept in it."""

    format: int = 1
    model: str
    dimension: int


class EdgeVectors(PointStore):
    """A `VectorStore` in the folder `path`, for vectors of one model. Threads may share it.

    `wait` is in seconds; `on_wait` is told who holds the folder when waiting begins.
    """

    def __init__(
        self, path: Path, model: str, dimension: int, wait: float, on_wait: Callable[[str], None] | None = None
    ) -> None:
        self.path = path
        self.model = model
        self.dimension = dimension
        self._wait = wait
        self._on_wait = on_wait
        self._lock = path.with_name(path.name + ".lock")
        self._shard: qdrant.EdgeShard | None = None
        self._hold = ExitStack()  # the lock, while the shard is open
        self._mutex = RLock()
        self._timer: Timer | None = None
        self._exists()

    def close(self) -> None:
        """Release the folder. Closing twice is fine; the next call opens it again."""
        with self._mutex:
            self._timer = None
            self._release()

    @contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[bool]:
        with self._mutex:
            self._timer = None  # whatever is scheduled no longer applies
            done = False
            try:
                opened = self._open(create)
                if create:
                    self._check_space()
                yield opened
                done = True
            except (TwinError, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                if not _from_engine(error):
                    raise
                raise StoreError(
                    f"the index in {self.path} can't be used ({_one_line(error)}); if this stays, delete that folder"
                    " and run `twin index` to rebuild it"
                ) from None
            finally:
                if self._shard and done and not locks.wanted(self._lock):
                    self._linger()
                else:
                    self._release()

    def _open(self, create: bool) -> bool:
        if self._shard:
            return True
        if not create and not self._exists():
            return False
        with ExitStack() as stack:
            stack.enter_context(locks.held(self._lock, f"the index in {self.path}", self._wait, self._on_wait))
            if not self._exists():
                if not create:
                    return False
                self._create()
            self._shard = qdrant.EdgeShard.load(str(self.path))
            self._hold = stack.pop_all()
        return True

    def _release(self) -> None:
        shard, self._shard = self._shard, None
        with self._hold:  # the lock goes last
            if shard:
                with suppress(Exception):  # flushed at the end of each write; what fails here was reported there
                    shard.close()

    def _linger(self) -> None:
        def expire() -> None:
            with self._mutex:
                if self._timer is timer:
                    self.close()

        timer = self._timer = Timer(LINGER_SECONDS, expire)
        timer.daemon = True
        timer.start()

    def _exists(self) -> bool:
        """Whether there is an index, checked to be for this model."""
        try:
            text = (self.path / "index.json").read_text("utf-8")
        except FileNotFoundError:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise StoreError(
                    f"{self.path} is no index of llm-twin; empty that folder or choose another home"
                ) from None
            return False
        except OSError as error:
            raise StoreError(
                f"the index in {self.path} can't be read: {error.strerror}; is {self.path.parent} the right home?"
            ) from None
        try:
            meta = Meta.model_validate_json(text)
        except ValidationError:
            raise StoreError(
                f"the index in {self.path} is damaged (index.json); delete that folder and run `twin index` to"
                " rebuild it"
            ) from None
        if (meta.model, meta.dimension) != (self.model, self.dimension):
            raise StoreError(
                f"the index in {self.path} was built with {meta.model} ({meta.dimension} dimensions), not with"
                f" {self.model} ({self.dimension}); set TWIN_MODEL back, or delete that folder and run"
                " `twin index` to rebuild it"
            )
        return True

    def _create(self) -> None:
        """Build the empty index aside and move it into place, so that a half-made one is never seen."""
        draft = self.path.with_name(self.path.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir(parents=True)
            self._check_space()
            shard = qdrant.EdgeShard.create(str(draft), self._config())
            for name in KEYWORDS:
                shard.update(UpdateOperation.create_field_index(name, qdrant.KeywordIndexParams(memory=Memory.Cold)))
            shard.update(UpdateOperation.create_field_index(DATE, qdrant.DatetimeIndexParams(memory=Memory.Cold)))
            shard.update(
                UpdateOperation.create_field_index(
                    LEDGER, qdrant.IntegerIndexParams(lookup=True, range=False, memory=Memory.Cold)
                )
            )
            shard.flush()
            shard.close()
            with (draft / "index.json").open("w", encoding="utf-8") as file:
                json.dump(Meta(model=self.model, dimension=self.dimension).model_dump(), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            raise StoreError(f"can't create the index in {self.path}: {error.strerror or error}") from None

    def _config(self) -> qdrant.EdgeConfig:
        return qdrant.EdgeConfig(
            vectors={DENSE: qdrant.EdgeVectorParams(size=self.dimension, distance=qdrant.Distance.Cosine)},
            sparse_vectors={SPARSE: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf, memory=Memory.Cold)},
            # No graph (m=0): searches are exact, 15 ms for 60,000 vectors of 384 dimensions.
            hnsw_config=qdrant.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
            optimizers=qdrant.EdgeOptimizersConfig(
                max_segment_size=LARGEST_SEGMENT_KB, indexing_threshold=WRITABLE_SEGMENT_KB, default_segment_number=2
            ),
        )

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < FREE_BYTES:
            raise StoreError(
                f"only {free // 1_000_000} MB are free where the index is, in {self.path.parent}; make room,"
                f" writing needs {FREE_BYTES // 1_000_000} MB"
            )

    @property
    def _engine(self) -> qdrant.EdgeShard:
        assert self._shard is not None  # noqa: S101 - only reached inside `_opened`
        return self._shard

    def _upsert(self, points: Sequence[PointData]) -> None:
        self._engine.update(UpdateOperation.upsert_points([_point(point) for point in points]))

    def _remove(self, ids: Sequence[str]) -> None:
        self._engine.update(UpdateOperation.delete_points(list(ids)))

    def _written(self) -> None:
        self._engine.flush()
        try:
            if self._engine.optimize():
                self._engine.flush()
        except Exception as error:  # noqa: BLE001 - the engine raises nothing narrower
            # All is written; only opening will take longer. It happens where there is no room for a second copy.
            log.warning("the index in %s could not be optimised: %s", self.path, _one_line(error))

    def _scroll(self, selection: Selection, fields: list[str]) -> Iterator[tuple[str, Payload]]:
        offset = None
        while True:
            request = qdrant.ScrollRequest(
                offset=offset, limit=PAGE, filter=_filter(selection), with_payload=fields or False, with_vector=False
            )
            records, offset = self._engine.scroll(request)
            for record in records:
                yield str(record.id), record.payload or {}
            if offset is None:
                return

    def _count(self, selection: Selection) -> int:
        return self._engine.count(qdrant.CountRequest(exact=True, filter=_filter(selection)))

    def _query(
        self, query: list[float] | qdrant.SparseVector, where: ChunkFilter, limit: int
    ) -> list[tuple[str, float, Payload]]:
        matches, since = conditions(where)
        must: list[qdrant.ConditionType] = [
            FieldCondition(name, match=MatchValue(value)) for name, value in matches.items()
        ]
        if since:
            must.append(FieldCondition(DATE, range=qdrant.RangeDateTime(gte=since.isoformat())))
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(query, using=DENSE if isinstance(query, list) else SPARSE),
            filter=Filter(must=must) if must else None,
            with_payload=True,
            params=qdrant.SearchParams(exact=True),
        )
        return [(str(found.id), found.score, found.payload or {}) for found in self._engine.query(request)]


def _point(point: PointData) -> qdrant.Point:
    vectors: dict[str, qdrant.NamedVector] = {}
    if point.dense is not None and point.sparse is not None:
        vectors = {DENSE: point.dense, SPARSE: point.sparse}
    return qdrant.Point(point.id, vectors, point.payload)


def _filter(selection: Selection) -> Filter:
    entry = FieldCondition(LEDGER, match=MatchValue(1))
    documents: list[qdrant.ConditionType] = []
    if selection.document_ids is not None:
        documents = [FieldCondition("document_id", match=MatchAny(list(selection.document_ids)))]
    if selection.ledger:
        return Filter(must=[entry, *documents])
    return Filter(must=documents or None, must_not=[entry])


def _from_engine(error: BaseException) -> bool:
    """The bindings raise plain `Exception`, or on a defect in the engine a panic, which is no `Exception` at all."""
    return type(error) is Exception or type(error).__name__ == "PanicException" or isinstance(error, OSError)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
