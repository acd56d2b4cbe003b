"""The feature pipeline: warehouse -> cleaned documents (the feature snapshot) -> chunks with vectors -> index.

Its stages are `plan`, `clean_documents`, `embed_documents` and `finish`. Each takes and returns plain values, reads
what the one before it stored, and may be done again at any time. `index` runs them in batches.
"""

from llm_twin.indexing.changes import Changes, IndexItem, IndexPlan, changes, fingerprint_of, plan
from llm_twin.indexing.embedding import Embedded, embed_documents
from llm_twin.indexing.estimate import estimated
from llm_twin.indexing.run import Tally, clean_documents, finish, index

__all__ = [
    "Changes",
    "Embedded",
    "IndexItem",
    "IndexPlan",
    "Tally",
    "changes",
    "clean_documents",
    "embed_documents",
    "estimated",
    "fingerprint_of",
    "finish",
    "index",
    "plan",
]
