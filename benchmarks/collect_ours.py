"""llm-twin's run for benchmarks/collect.py: `python collect_ours.py LINKS STATE RESULT.json CONCURRENCY`.

As `twin collect` would without a browser, with the names of the hosts led to the local server, and no pause between two
requests.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from llm_twin import Outcome, Twin


class Count:
    """Writes down how many links are done."""

    def __init__(self, file: Path) -> None:
        self.file, self.links = file.open("w"), 0

    def plan(self, stage: str, total: int) -> None:
        pass

    def step(self, stage: str, done: int = 1, outcome: Outcome | None = None) -> None:
        self.links += done
        if self.links % 100 == 0:
            self.file.seek(0)
            self.file.write(str(self.links))
            self.file.flush()

    def say(self, text: str) -> None:
        pass


def main() -> None:
    links, state, result, concurrency = sys.argv[1:]
    urls = Path(links).read_text().split()
    places = {urlsplit(url).netloc for url in urls}
    twin = Twin(
        progress=Count(Path(state) / "done"),
        home=state,
        delay=0,
        allow_private=True,
        concurrency=int(concurrency),
        render="never",
        resolve={place: f"127.0.0.1:{place.rpartition(':')[2]}" for place in places},
    )
    report = twin.collect("Ada", urls)
    statuses = Counter(outcome.status for outcome in report.outcomes)
    reasons = Counter(str(outcome.reason) for outcome in report.outcomes if outcome.status == "failed")
    pages = sum(statuses[status] for status in ("new", "updated", "unchanged"))
    Path(result).write_text(json.dumps({"pages": pages, "statuses": statuses, "reasons": reasons}))


if __name__ == "__main__":
    main()
