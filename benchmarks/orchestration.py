"""What ZenML costs: the demo's links collected and indexed by the twin itself and as ZenML pipelines, in one table.

    .venv-zenml/bin/python benchmarks/orchestration.py

Each row is a process of its own, as a user starts it: `seconds` with starting Python and importing ZenML, `pipeline`
as ZenML counts it. The web is a server on loopback, so that waiting for it does not hide what orchestration adds.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from llm_twin.demo.server import DemoServer

TWIN = (sys.executable, "-c", "from llm_twin.cli import main; main()")


def timed(*words: str, home: Path) -> tuple[float, float, dict[str, object]]:
    """(wall seconds, CPU seconds, what `--json` printed) of a `twin` process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [*TWIN, *words, "--home", str(home), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, json.loads(done.stdout)


def row(name: str, seconds: float, cpu: float, result: dict[str, object]) -> str:
    """A line of the table."""
    runs = result.get("runs")
    if not isinstance(runs, list):
        return f"| {name} | {seconds:.1f} | {cpu:.1f} |  |  |"
    steps = runs[0]["steps"].values()
    cached = sum(status == "cached" for status in steps)
    return (
        f"| {name} | {seconds:.1f} | {cpu:.1f} | {runs[0]['seconds']:.1f} | {len(steps) - cached} + {cached} cached |"
    )


def main() -> None:
    """Print the table."""
    with DemoServer() as server, TemporaryDirectory() as folder:
        os.environ.update(TWIN_ALLOW_PRIVATE="1", TWIN_DELAY="0", TWIN_RESOLVE=json.dumps(server.resolve))
        plain, orchestrated = Path(folder, "plain"), Path(folder, "zenml")
        file = str(server.run_file(Path(folder)))
        lines = [
            row("`twin run`, first", *timed("run", file, home=plain)),
            row("`twin run`, second", *timed("run", file, home=plain)),
            row("`--zenml`, first on a fresh home", *timed("run", file, "--zenml", home=orchestrated)),
            row("`--zenml --no-cache`, second", *timed("run", file, "--zenml", "--no-cache", home=orchestrated)),
            row("`--zenml`, all cached", *timed("run", file, "--zenml", home=orchestrated)),
        ]
    print("| | seconds | CPU seconds | pipeline | steps run |\n| --- | --- | --- | --- | --- |", *lines, sep="\n")


if __name__ == "__main__":
    main()
