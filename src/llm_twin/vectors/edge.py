"""The embedded index: Qdrant's engine inside this process (qdrant-edge), one folder on disk with a shard a collection.

Only one process can have the folder open, so it is opened late and closed early, under a lock beside it. What was
flushed is what a killed process leaves: there is no write-ahead log, since every step that matters ends with a flush,
and a log would keep texts that were forgotten.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock, Timer
from typing import Any

import qdrant_edge as qdrant
from qdrant_edge import Memory, UpdateOperation

from llm_twin import locks
from llm_twin.errors import LockedError, StoreError, TwinError
from llm_twin.vectors import generations
from llm_twin.vectors.engine import engine_filter, engine_point, return_memory
from llm_twin.vectors.generations import DRAFT, IN_USE, Meta
from llm_twin.vectors.payloads import (
    CHUNKS,
    DATE,
    DENSE,
    KEYWORDS,
    NAMES,
    SPARSE,
    Name,
    Payload,
    PointData,
    Selection,
)
from llm_twin.vectors.points import PointStore

# How long the folder stays open after a call when nobody waits for it: opening costs 0.1 to 0.5 s, and calls come in
# groups (a search makes two). Embedding a batch takes longer, so another process gets in between two writes.
LINGER_SECONDS = 0.25
# Points live in one small segment that is written to and in larger ones that open fast. Turning the former into the
# latter is what `optimize` does, at some 10,000 points a second while the lock is held: these sizes bound a pause to
# about 5 s and the opening of 100,000 points to half a second. In kB of vectors.
WRITABLE_SEGMENT_KB = 20_000
LARGEST_SEGMENT_KB = 60_000
# Of the vectors' values that bytes tell apart; the outermost are cut off.
QUANTILE = 0.99
# Candidates a segment compares again as they are, for each that is asked for.
OVERSAMPLING = 3.0
SEARCH = qdrant.SearchParams(quantization=qdrant.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING))
# A full disk below memory-mapped files ends in SIGBUS, not in an error: better not to begin.
FREE_BYTES = 150_000_000


log = logging.getLogger(__name__)


class EdgeVectors(PointStore):
    """A `VectorStore` in the folder `path`, for vectors of one model. Threads may share it.

    `wait` is in seconds; `on_wait` is told who holds the folder when waiting begins. `draft`: see `open_vectors`.
    """

    def __init__(
        self,
        path: Path,
        model: str,
        dimension: int,
        wait: float,
        on_wait: Callable[[str], None] | None = None,
        *,
        draft: bool = False,
    ) -> None:
        self.path = path
        self.model = model
        self.dimension = dimension
        self._wait = wait
        self._on_wait = on_wait
        self._file = DRAFT if draft else IN_USE
        self._shards: dict[Name, qdrant.EdgeShard] = {}  # the open ones, all of `_generation`
        self._generation = ""
        self._hold = ExitStack()  # the lock, while shards may be open
        self._mutex = RLock()
        self._timer: Timer | None = None
        self._depth = 0  # of calls of `_opened` that are under way
        if draft:
            self._drop_misfit()
        self._meta()

    @property
    def _lock(self) -> Path:
        """A draft has a lock of its own: nobody who searches waits for a rebuild."""
        return self.path.with_name(self.path.name + (".draft.lock" if self._file == DRAFT else ".lock"))

    def publish(self) -> None:
        """Make a draft the index in use by one rename, under the lock of the latter; its former files are removed."""
        with self._mutex:
            if self._file != DRAFT:
                return
            with self._opened(create=True):  # a rebuild of nothing is an empty index
                pass
            self._release()
            with locks.held(self.path.with_name(self.path.name + ".lock"), self._what, self._wait, self._on_wait):
                (self.path / DRAFT).replace(self.path / IN_USE)
                generations.remove_strays(self.path)
            self._file = IN_USE

    def discard(self) -> None:
        """Remove a draft."""
        with self._mutex:
            if self._file == DRAFT:
                self._release()
                generations.remove_draft(self.path)

    def erase(self) -> None:
        """Rewrite every segment that still holds removed points: some 10,000 points a second, the lock being held."""
        for name in NAMES:
            with self._opened() as exists:
                if exists:
                    self._close_shard(name)
                    folder = str(self.path / self._generation / name)
                    shard = qdrant.EdgeShard.load(folder, self._config(name, rewrite=True))
                    try:
                        shard.optimize()
                        shard.flush()
                    finally:
                        shard.close()
                    return_memory()

    def close(self) -> None:
        """Release the folder. Closing twice is fine; the next call opens it again."""
        with self._mutex:
            self._timer = None
            self._release()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """For several calls that read: the folder stays open, so that they see one state of the index."""
        with self._opened():
            yield

    @contextmanager
    def _opened(self, *, write: bool = False, create: bool = False) -> Iterator[bool]:
        with self._mutex:
            self._timer = None  # whatever is scheduled no longer applies
            self._depth += 1
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
                    f"{self._what} can't be used ({_one_line(error)}); if this stays, `twin index --rebuild` builds it"
                    " anew"
                ) from None
            finally:
                self._depth -= 1
                if not self._depth and self._generation and done and not locks.wanted(self._lock):
                    self._linger()
                elif not (self._depth and done):
                    self._release()

    def _open(self, create: bool) -> bool:
        if self._generation:
            return True
        if not create and not self._meta():
            return False
        with ExitStack() as stack:
            stack.enter_context(locks.held(self._lock, self._what, self._wait, self._on_wait))
            meta = self._meta()
            if not meta:
                if not create:
                    return False
                meta = self._create()
            self._generation = meta.generation
            self._hold = stack.pop_all()
        return True

    def _shard(self, name: Name) -> qdrant.EdgeShard:
        """A collection of the open index. Each is loaded when it is first needed: a search needs but one."""
        if name not in self._shards:
            self._shards[name] = qdrant.EdgeShard.load(str(self.path / self._generation / name), self._config(name))
        return self._shards[name]

    def _close_shard(self, name: Name) -> None:
        if shard := self._shards.pop(name, None):
            with suppress(Exception):  # flushed at the end of each write; what fails here was reported there
                shard.close()

    def _release(self) -> None:
        self._generation = ""
        with self._hold:  # the lock goes last
            for name in NAMES:
                self._close_shard(name)

    def _linger(self) -> None:
        def expire() -> None:
            with self._mutex:
                if self._timer is timer:
                    self.close()

        timer = self._timer = Timer(LINGER_SECONDS, expire)
        timer.daemon = True
        timer.start()

    @property
    def _what(self) -> str:
        return f"the {'draft of the ' if self._file == DRAFT else ''}index in {self.path}"

    def _meta(self) -> Meta | None:
        """What the index was built for, checked to be this model; None when there is no index."""
        meta = generations.read(self.path, self._file)
        return meta and generations.fitting(self.path, meta, self.model, self.dimension)

    def _drop_misfit(self) -> None:
        """Remove a draft that a stopped rebuild left of another model, or in a state that can't be used."""
        try:
            if self._meta():
                with self._opened():
                    for name in NAMES:
                        self._shard(name)
        except LockedError:
            raise
        except StoreError:
            if not (self.path / DRAFT).is_file():
                raise
            generations.remove_draft(self.path)

    def _create(self) -> Meta:
        """Build an empty generation and note it last, so that a half-made one is never seen."""
        meta = Meta(model=self.model, dimension=self.dimension, generation=generations.new_generation())
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_space()
            generations.remove_strays(self.path)
            for name in NAMES:
                folder = self.path / meta.generation / name
                folder.mkdir(parents=True)
                shard = qdrant.EdgeShard.create(str(folder), self._config(name))
                for field in KEYWORDS[name]:
                    shard.update(
                        UpdateOperation.create_field_index(field, qdrant.KeywordIndexParams(memory=Memory.Cold))
                    )
                shard.update(UpdateOperation.create_field_index(DATE, qdrant.DatetimeIndexParams(memory=Memory.Cold)))
                shard.flush()
                shard.close()
            generations.write(self.path, self._file, meta)
        except OSError as error:
            raise StoreError(f"can't create the index in {self.path}: {error.strerror or error}") from None
        return meta

    def _config(self, name: Name, *, rewrite: bool = False) -> qdrant.EdgeConfig:
        """`rewrite`: so that optimising rewrites every segment with a removed point, not those with many."""
        sparse = qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf, memory=Memory.Cold)
        optimizers = qdrant.EdgeOptimizersConfig(
            max_segment_size=LARGEST_SEGMENT_KB,
            indexing_threshold=WRITABLE_SEGMENT_KB,
            default_segment_number=2,
            deleted_threshold=0.0 if rewrite else None,
            vacuum_min_vector_number=0 if rewrite else None,
        )
        if name != CHUNKS:
            return qdrant.EdgeConfig(sparse_vectors={SPARSE: sparse}, optimizers=optimizers, wal_enabled=False)
        dense = qdrant.EdgeVectorParams(
            size=self.dimension,
            distance=qdrant.Distance.Cosine,
            # Every vector is compared, as bytes, and the nearest again as they are: at 100,000 chunks three times as
            # fast as comparing all as they are, recall@10 above .99. See docs/indexing.md.
            quantization_config=qdrant.ScalarQuantizationConfig(
                type=qdrant.ScalarType.Int8, quantile=QUANTILE, memory=Memory.Cold
            ),
        )
        return qdrant.EdgeConfig(
            vectors={DENSE: dense},
            sparse_vectors={SPARSE: sparse},
            # No graph (m=0): it would answer in 2 ms instead of 5, and make writing five times as slow.
            hnsw_config=qdrant.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
            optimizers=optimizers,
            wal_enabled=False,
        )

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < FREE_BYTES:
            raise StoreError(
                f"only {free // 1_000_000} MB are free where the index is, in {self.path.parent}; make room,"
                f" writing needs {FREE_BYTES // 1_000_000} MB"
            )

    def _upsert(self, name: Name, points: Sequence[PointData]) -> None:
        self._shard(name).update(UpdateOperation.upsert_points([engine_point(point) for point in points]))

    def _set(self, name: Name, payloads: Mapping[str, Payload]) -> None:
        shard = self._shard(name)
        for point, payload in payloads.items():
            shard.update(UpdateOperation.set_payload([point], payload))

    def _remove(self, name: Name, ids: Sequence[str]) -> None:
        self._shard(name).update(UpdateOperation.delete_points(list(ids)))

    def _flush(self, name: Name) -> None:
        self._shard(name).flush()

    def _optimize(self) -> None:
        try:
            for name in NAMES:
                if self._shard(name).optimize():
                    self._shard(name).flush()
                    return_memory()
        except Exception as error:  # noqa: BLE001 - the engine raises nothing narrower
            # All is written; only opening will take longer. It happens where there is no room for a second copy.
            log.warning("the index in %s could not be optimised: %s", self.path, _one_line(error))

    def _page(
        self, name: Name, selection: Selection, fields: list[str] | bool, size: int, offset: Any
    ) -> tuple[list[tuple[str, Payload]], Any]:
        request = qdrant.ScrollRequest(
            offset=offset, limit=size, filter=engine_filter(selection), with_payload=fields, with_vector=False
        )
        records, following = self._shard(name).scroll(request)
        return [(str(record.id), record.payload or {}) for record in records], following

    def _dense_vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        records = self._shard(CHUNKS).retrieve(list(ids), False, [DENSE])
        return {str(record.id): record.vector[DENSE] for record in records if isinstance(record.vector, dict)}

    def _payloads(self, ids: Sequence[str]) -> dict[str, Payload]:
        return {str(record.id): record.payload or {} for record in self._shard(CHUNKS).retrieve(list(ids), True, False)}

    def _count(self, name: Name) -> int:
        return self._shard(name).count(qdrant.CountRequest(exact=True))

    def _query(
        self,
        name: Name,
        query: list[float] | qdrant.SparseVector,
        selection: Selection,
        limit: int,
        fields: list[str] | bool,
    ) -> list[tuple[str, float, Payload]]:
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(query, using=DENSE if isinstance(query, list) else SPARSE),
            filter=engine_filter(selection),
            with_payload=fields,
            params=SEARCH,
        )
        return [(str(found.id), found.score, found.payload or {}) for found in self._shard(name).query(request)]


def _from_engine(error: BaseException) -> bool:
    """The bindings raise plain `Exception`, or on a defect in the engine a panic, which is no `Exception` at all."""
    return type(error) is Exception or type(error).__name__ == "PanicException" or isinstance(error, OSError)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
