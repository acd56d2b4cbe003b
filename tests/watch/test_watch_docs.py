"""The units and the cron line of docs/watch.md, as systemd and the command line read them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "docs/watch.md").read_text("utf-8")
UNITS = dict(re.findall(r"user/(twin\.\w+)`:\n\n```ini\n(.*?)```", GUIDE, re.S))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is absent")
@pytest.mark.parametrize("name", ["twin.service", "twin.timer"])
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    for unit, text in UNITS.items():
        (tmp_path / unit).write_text(text.replace("%h/.local/bin/twin", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    told = [line for line in checked.stderr.splitlines() if "twin." in line]
    assert (checked.returncode, told) == (0, [])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is absent")
def test_the_timer_goes_off_every_six_hours() -> None:
    (when,) = re.findall(r"OnCalendar=(.*)", UNITS["twin.timer"])
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=2", when], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "Normalized form: *-*-* 00/6:00:00" in shown


def test_units_and_cron_line_call_a_command_that_exists() -> None:
    from click.testing import CliRunner

    from llm_twin.cli import cli

    calls = re.findall(r"/\.local/bin/twin (watch \S+ [-a-z ]+?)(?:\s+>>.*)?$", GUIDE, re.M)
    assert len(calls) == 2
    for call in calls:
        words = ["missing.yaml" if "authors" in word else word for word in call.split()]
        result = CliRunner().invoke(cli, words)
        assert "missing.yaml: can't be read" in str(result.exception)
