"""Other settings of the embedded engine, for benchmarks/scale.py: what the default was chosen against."""

from __future__ import annotations

import qdrant_edge as qdrant

from llm_twin.vectors import edge
from llm_twin.vectors.edge import EdgeVectors
from llm_twin.vectors.payloads import CHUNKS, DENSE

# exact: all vectors compared as they are. graph: HNSW in segments of the default's size. large-graph: four times that.
ENGINES = ("default", "exact", "graph", "large-graph")
LINKS, BUILD_WIDTH, SEARCH_WIDTH = 16, 128, 128  # m, ef_construct, hnsw_ef


def choose(engine: str) -> None:
    """Make new indexes, and searches, of this process be of `engine`."""
    if engine == "default":
        return
    graph = engine != "exact"
    own = EdgeVectors._config

    def config(self: EdgeVectors, name: str, *, rewrite: bool = False) -> qdrant.EdgeConfig:
        usual = own(self, name, rewrite=rewrite)  # type: ignore[arg-type]
        if name != CHUNKS:
            return usual
        return qdrant.EdgeConfig(
            vectors={DENSE: qdrant.EdgeVectorParams(size=self.dimension, distance=qdrant.Distance.Cosine)},
            sparse_vectors=usual.sparse_vectors,
            hnsw_config=qdrant.HnswIndexConfig(
                m=LINKS if graph else 0, ef_construct=BUILD_WIDTH, full_scan_threshold=10_000
            ),
            optimizers=qdrant.EdgeOptimizersConfig(
                max_segment_size=edge.LARGEST_SEGMENT_KB * (4 if engine == "large-graph" else 1),
                indexing_threshold=edge.WRITABLE_SEGMENT_KB,
                default_segment_number=2,
            ),
            wal_enabled=False,
        )

    EdgeVectors._config = config  # type: ignore[method-assign]
    edge.SEARCH = qdrant.SearchParams(exact=not graph, hnsw_ef=SEARCH_WIDTH if graph else None)
