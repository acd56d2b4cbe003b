"""The README says what is true: every command, every setting, every reason."""

from __future__ import annotations

from pathlib import Path

from llm_twin import Settings, cli
from llm_twin.errors import Reason

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_every_setting_stands_in_the_table_with_its_description() -> None:
    for name, field in Settings.model_fields.items():
        (row,) = (line for line in README.splitlines() if line.startswith(f"| `TWIN_{name.upper()}` |"))
        assert field.description
        assert row.endswith(f"| {field.description} |")


def test_every_command_and_reason_is_named() -> None:
    assert not [name for name in cli.COMMANDS if f"`twin {name}" not in README]
    assert not [reason for reason in Reason if f"`{reason}`" not in README]
