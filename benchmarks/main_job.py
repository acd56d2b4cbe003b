#!/usr/bin/env python3
"""The main job on the handbook's real articles: import, index, index again, search.

    python benchmarks/main_job.py FOLDER

Prints documents, chunks, chunks over the model's limit, seconds of the first and the second index run, peak memory,
and the first hit of two questions.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from llm_twin import Settings, Twin

QUESTIONS = (
    "how do I merge models into a mixture of experts with mergekit",
    "why quantize weights to 4 bits with GPTQ",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path, help="folder with ArticleDocument.json(.gz)")
    dump = parser.parse_args().dump
    with tempfile.TemporaryDirectory() as home, Twin(Settings.load(home=home)) as twin:
        started = time.perf_counter()
        print(f"imported             {twin.import_archive(dump).counts} in {time.perf_counter() - started:.1f} s")
        twin.embedder.encode(["warm"])
        first = twin.index()
        second = twin.index()
        limit = twin.embedder.max_tokens
        over = 0
        for document in twin.documents():
            encodings = twin.embedder.tokenizer.encode_batch([chunk.to_embed for chunk in twin.chunker.chunk(document)])
            over += sum(len(encoding.ids) - 2 > limit for encoding in encodings)
        print(f"documents            {twin.warehouse.count()}")
        print(f"chunks               {first.summary['chunks']}")
        print(f"chunks over {limit} tok.  {over}")
        print(f"first index run      {first.seconds:.1f} s ({first.summary['chunks'] / first.seconds:.1f} chunks/s)")
        print(f"second index run     {second.seconds:.3f} s ({second.summary['chunks_embedded']} chunks embedded)")
        print(f"peak memory          {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        for question in QUESTIONS:
            started = time.perf_counter()
            hits = twin.search(question)
            print(f"\n{question}  ({1000 * (time.perf_counter() - started):.0f} ms)")
            for hit in hits[:3]:
                print(f"  {hit.score:.4f}  {hit.title}  {hit.link}")


if __name__ == "__main__":
    main()
