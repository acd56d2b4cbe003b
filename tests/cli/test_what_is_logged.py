"""What reaches the terminal of all that is logged."""

from __future__ import annotations

import subprocess
import sys

TELL = """
import logging, sys
import llm_twin.collect.web
logging.getLogger("htmldate.utils").error("lxml parsing failed")
from llm_twin import cli
sys.argv = ["twin", "--version"]
try:
    cli.main()
except SystemExit:
    pass
for name in ("asyncio", "htmldate.utils", "llm_twin.collect.extract"):
    try:
        raise ValueError("within")
    except ValueError:
        logging.getLogger(name).setLevel("INFO")
        logging.getLogger(name).info("that all is well")
        logging.getLogger(name).warning("said by\\n%s", name, exc_info=True)
"""


def test_own_warnings_are_a_line_each_and_those_of_libraries_stay_off_the_terminal() -> None:
    told = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, timeout=60)
    assert told.stderr == "twin: said by llm_twin.collect.extract\n"
