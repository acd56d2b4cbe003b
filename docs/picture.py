#!/usr/bin/env python3
"""Draws what a command prints as docs/demo.svg, the README's picture: python docs/picture.py twin demo"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH, LINES = 118, 60


def main() -> None:
    env = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    done = subprocess.run(sys.argv[1:], env=env, capture_output=True, text=True, check=True)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    shown = f"$ {' '.join(sys.argv[1:])}\n{done.stdout.replace(str(Path.home()), '~')}"
    console.print(Text.from_ansi("\n".join(shown.splitlines()[:LINES])))
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="llm-twin"), flags=re.S)  # no fonts from afar
    (Path(__file__).parent / "demo.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
