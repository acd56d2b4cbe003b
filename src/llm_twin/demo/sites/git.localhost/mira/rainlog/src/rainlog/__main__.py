"""`python -m rainlog FILE [--mm-per-tip 0.191]`: rain by the hour, and in all."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .rain import hourly
from .tips import read_tips


def main() -> int:
    parser = argparse.ArgumentParser(prog="rainlog", description="Rain by the hour.")
    parser.add_argument("file", type=Path, help="log of the gauge, one line a tip")
    parser.add_argument("--mm-per-tip", type=float, default=0.191, help="from your calibration")
    options = parser.parse_args()
    try:
        tips = read_tips(options.file.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"rainlog: {options.file}: {error}\n")
        return 1
    totals = hourly(tips, options.mm_per_tip)
    for hour, millimetres in totals.items():
        sys.stdout.write(f"{hour:%Y-%m-%d %H:%M} {millimetres:7.1f} mm\n")
    sys.stdout.write(f"{'together':<16} {sum(totals.values()):7.1f} mm\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
