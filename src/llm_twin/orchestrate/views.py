"""How our values look in ZenML's dashboard: small pages of HTML in which everything that came from outside is escaped.

Nothing of ZenML here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from llm_twin.documents import Author, Report, Value

SHOWN = 500  # outcomes in a view, those that failed first; the artifact holds all
STYLE = """<style>
body{font:13px/1.4 system-ui,sans-serif;color:#1d2430;margin:0 12px}h2{font-size:15px}
table{border-collapse:collapse;margin:8px 0 20px}
th,td{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid #e3e6ea;vertical-align:top}
.failed{color:#b42318;font-weight:600}.skipped{color:#b54708}.new,.updated{color:#067647}.unchanged{color:#667085}
</style>"""


def page(value: Value) -> str:
    """One value as a page of HTML."""
    if isinstance(value, Report):
        return _page(f"{value.command}, {value.seconds:.1f} s", _report(value))
    if isinstance(value, Author):
        return _page(value.name, _table(("", ""), [("id", value.id), ("aliases", ", ".join(value.aliases))]))
    return _page(type(value).__name__, _facts(value.model_dump(mode="json")))


def _report(report: Report) -> str:
    if report.interrupted:
        state = "<p class=failed>Interrupted: what is finished is kept, the next run continues.</p>"
    else:
        state = ""
    domains = [
        (domain, f"{count.successful} / {count.total}", ", ".join(f"{n} {name}" for name, n in count.outcomes.items()))
        for domain, count in report.domains.items()
    ]
    order = {"failed": 0, "skipped": 1}
    outcomes = sorted(report.outcomes, key=lambda outcome: order.get(outcome.status, 2))
    rows = [
        (outcome.status, outcome.link, str(outcome.reason or ""), outcome.detail or outcome.title)
        for outcome in outcomes[:SHOWN]
    ]
    more = f"<p>… and {len(outcomes) - SHOWN} more</p>" if len(outcomes) > SHOWN else ""
    return "".join((
        state,
        _facts(report.summary),
        _table(("domain", "successful / total", "outcomes"), domains),
        _table((f"{len(outcomes)} outcomes", "link", "reason", ""), rows, marked=True),
        more,
    ))  # fmt: skip


def _facts(facts: Mapping[str, Any]) -> str:
    """Names and values; a mapping as a value in one line, one of mappings with a line for each."""
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values()):
            rows += [(f"{_words(name)}: {key}", _shown(each)) for key, each in value.items()]
        else:
            rows.append((_words(name), _shown(value)))
    return _table(("", ""), rows)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{number} {_words(name)}" for name, number in value.items())
    if isinstance(value, list | tuple):
        return str(len(value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, marked: bool = False) -> str:
    """A table; `marked`: the first cell's text is also its class."""
    body = ""
    for row in rows:
        first = f"<td class={escape(row[0])}>" if marked else "<td>"
        body += f"<tr>{first}{'</td><td>'.join(escape(cell) for cell in row)}</td></tr>"
    names = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>" if any(head) else ""
    return f"<table>{names}{body}</table>" if body else ""


def _page(title: str, body: str) -> str:
    return f"<!doctype html><meta charset=utf-8>{STYLE}<h2>{escape(title)}</h2>{body}"
