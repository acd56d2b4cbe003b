"""How results look in a terminal: outcomes, counts per domain, hits. Everything goes to stdout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from textwrap import fill, indent, shorten
from typing import TYPE_CHECKING

from rich import markup
from rich.console import Console
from rich.table import Table

from llm_twin.documents import Document, DomainCount, Explanation, Hit, Outcome, Passage, Report, Run

if TYPE_CHECKING:
    from llm_twin.collect.explain import Explanation as ExtractionExplanation
    from llm_twin.indexing import IndexPlan
    from llm_twin.warehouse.queue import Backlog

STYLES = {
    "new": "green",
    "updated": "cyan",
    "unchanged": "dim",
    "removed": "yellow",
    "expanded": "blue",
    "skipped": "yellow",
    "failed": "bold red",
}
LISTED = 200  # outcomes printed of one run; beyond that only those that need a look
DOMAINS = 20  # shown of a queue
PASSAGE_WIDTH = 420  # characters of a passage shown by `twin search`


def console() -> Console:
    """Stdout; never wraps a link, so that it can be copied or piped."""
    return Console(soft_wrap=True, highlight=False)


def printable(text: str) -> str:
    """Text without control characters but newline and tab: pages are hostile, and terminals obey escape sequences."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)


def escape(text: str) -> str:
    """Text that is shown as it is: neither Rich nor the terminal finds commands in it."""
    return markup.escape(printable(text))


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """One line an outcome."""
    out = console()
    shown = (
        outcomes if len(outcomes) <= LISTED else [o for o in outcomes if o.status in ("failed", "skipped") or o.secrets]
    )
    for outcome in shown:
        style = STYLES[outcome.status]
        line = f"[{style}]{outcome.status:<9}[/] {escape(outcome.link)}"
        if outcome.reason:
            line += f"  [{style}]{outcome.reason}[/] {escape(outcome.detail)}"
        elif outcome.detail:
            line += f"  [dim]{escape(outcome.detail)}[/]"
        elif outcome.documents > 1:
            line += f"  [dim]{escape(outcome.title)}, {outcome.documents} documents[/]"
        elif outcome.title:
            line += f"  [dim]{escape(outcome.title)}[/]"
        if outcome.secrets:
            line += f"  [yellow]{_count(outcome.secrets, 'secret')} masked[/]"
        out.print(line)
    if len(shown) < len(outcomes):
        out.print(f"[dim]… and {len(outcomes) - len(shown)} more that went well[/]")


def show_domains(domains: dict[str, DomainCount]) -> None:
    """Successful / total per domain."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("domain")
    table.add_column("successful / total", justify="right")
    table.add_column("outcomes")
    for domain, count in domains.items():
        outcomes = ", ".join(f"{number} {name}" for name, number in count.outcomes.items())
        table.add_row(escape(domain), f"{count.successful} / {count.total}", escape(outcomes))
    console().print(table)


def show_backlog(run: Run, backlog: Sequence[Backlog]) -> None:
    """How far a run has come that is not finished: those domains of it that are not done, the longest first."""
    left = sorted((each for each in backlog if each.claimed or each.waiting), key=lambda each: each.done - each.total)
    if not left:
        return
    out = console()
    done, claimed, waiting = (sum(getattr(each, name) for each in backlog) for name in ("done", "claimed", "waiting"))
    out.print(f"\n[bold]Queue of the {run.state} run[/]: {done} done, {claimed} claimed, {waiting} waiting")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("domain", "done", "claimed", "waiting"):
        table.add_column(column, justify="left" if column == "domain" else "right")
    for each in left[:DOMAINS]:
        table.add_row(escape(each.domain), f"{each.done}", f"{each.claimed}", f"{each.waiting}")
    out.print(table)
    if len(left) > DOMAINS:
        out.print(f"[dim]… and {len(left) - DOMAINS} more domains[/]")


def show_collected(report: Report) -> None:
    """A run that ended in outcomes per link: collect or import."""
    show_outcomes(report.outcomes)
    out = console()
    out.print()
    show_domains(report.domains)
    masked = f"; {_count(report.secrets, 'secret')} masked before storing" if report.secrets else ""
    out.print(f"\n{_count(len(report.outcomes), 'link')} in {report.seconds:.1f} s{masked}")
    if report.interrupted:
        out.print("[yellow]interrupted: what is finished is kept; the same command again continues[/]")
    if report.command == "collect" and report.failed:
        out.print(
            f"[red]{_count(len(report.failed), 'link')} failed[/]; to try only those: twin collect --retry-failed"
        )


def show_indexed(report: Report) -> None:
    """An index run."""
    out = console()
    show_outcomes([outcome for outcome in report.outcomes if outcome.status == "failed"])
    if report.interrupted:
        out.print("[yellow]interrupted: what is finished is kept; the same command again continues[/]")
        return
    summary = report.summary
    documents = ", ".join(f"{number} {status}" for status, number in summary["documents"].items() if number)
    out.print(
        f"index: {documents or 'no documents'}; {summary['chunks_embedded']} chunks embedded, "
        f"{summary['chunks_reused']} reused, {summary['chunks']} in the index, {report.seconds:.1f} s"
    )


def show_plan(plan: IndexPlan) -> None:
    """What an index run would do: a line a document, then the totals."""
    out = console()
    if plan.rebuild:
        out.print(f"[yellow]the whole index is built anew[/]: {escape(plan.rebuild)}")
    for item in plan.items[:LISTED]:
        work = (
            f"{item.chunks_to_embed} to embed, {item.chunks_reused} reused"
            if item.chunks_to_embed is not None
            else "can't be read"
        )
        style = STYLES[item.status]
        out.print(f"[{style}]{item.why}[/]  {escape(item.link or item.document_id)}  [dim]{work}[/]")
    if len(plan.items) > LISTED:
        out.print(f"[dim]… and {len(plan.items) - LISTED} more[/]")
    whys = ", ".join(f"{number} {why}" for why, number in Counter(item.why for item in plan.items).items())
    out.print(
        f"{_count(len(plan.items), 'document')} to index{f' ({whys})' if whys else ''}, {plan.unchanged} unchanged,"
        f" {len(plan.removed)} removed; {_count(plan.chunks_to_embed or 0, 'chunk')} to embed,"
        f" {plan.chunks_reused} reused"
    )
    if plan.chunks_a_second:
        time = timedelta(seconds=round(plan.seconds or 0))
        out.print(f"about {time} at {plan.chunks_a_second} chunks a second, as measured by {plan.measured}")


def show_hits(hits: Iterable[Hit], *, whole: bool = False) -> None:
    """Found passages with title, link, author, date and score; the best one's beginning, or all of it."""
    out = console()
    for number, hit in enumerate(hits, 1):
        day = f", {hit.published_at:%Y-%m-%d}" if hit.published_at else ""
        out.print(f"[bold]{number}. {escape(hit.title or hit.link)}[/]  [dim]{hit.score:.4f}[/]")
        out.print(f"   {escape(hit.link)}\n   [dim]{escape(hit.author)}{day}, {hit.kind}[/]")
        passage = hit.passages[0]
        if hit.explanation:
            out.print(f"[cyan]{escape(indent(_explained(hit.explanation, passage), '   '))}[/]")
        if whole:
            text = passage.text.strip("\n")
        else:
            text = fill(shorten(passage.text[passage.best :], PASSAGE_WIDTH, placeholder=" …"), max(out.width - 3, 40))
        out.print(escape(indent(text, "   ")) + "\n")


def _explained(why: Explanation, passage: Passage) -> str:
    parts = []
    for name, measure, rank, score in (
        ("sense", "cosine", why.dense_rank, why.dense_score),
        ("words", "BM25", why.sparse_rank, why.sparse_score),
    ):
        if score is not None:
            parts.append(f"{name}: rank {rank}, {measure} {score:.3f}")
        elif why.mode == "hybrid":
            parts.append(f"{name}: not among the candidates")
    if why.mode == "hybrid":
        weights = f"{why.dense_weight:g} dense + {1 - why.dense_weight:.2g} sparse"
        parts.append(f"{weights}, places, lead = {why.fused_score:.4f}")
    if why.rerank_score is not None:
        parts.append(f"reranked {why.rerank_score:.4f}")
    lines = ["; ".join(parts)]
    if why.words:
        lines.append("matched: " + ", ".join(f"{word} {weight:.2f}" for word, weight in why.words.items()))
    if passage.heading:
        lines.append(f"in: {passage.heading}")
    return "\n".join(lines)


def report_as_json(report: Report) -> dict[str, object]:
    """What `--json` prints of a run."""
    return {
        **report.model_dump(exclude={"outcomes"}),
        "counts": report.counts,
        "domains": report.domains,
        "outcomes": [{**outcome.model_dump(), "domain": outcome.domain} for outcome in report.outcomes],
    }


def exit_code(report: Report) -> int:
    """0 when everything went well, 1 when a link or document failed or the run was stopped."""
    return int(bool(report.failed) or report.interrupted)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show_explanation(explained: ExtractionExplanation) -> None:
    """Whose word was taken for each piece of metadata, and what the others say; then each block, kept or not."""
    out = console()
    for verdict in explained.metadata_explained:
        why = ": ".join(words for words in (verdict.source, verdict.because) if words)
        out.print(f"[bold]{verdict.field:<13}[/] {escape(verdict.value or 'none')}  [dim]{escape(why)}[/]")
        for said in verdict.others:
            out.print(f"{'':<13} [dim]{escape(f'{said.value}  {said.source}')}[/]")
    if explained.metadata_explained:
        out.print()
    for block in explained.explained:
        note = f"  ({block.because})" if block.because else ""
        line = f"{block.likelihood:.2f} {block.element:<20} {block.begins}{note}"
        out.print(f"[green]+[/] {escape(line)}" if block.kept else f"[dim]- {escape(line)}[/]")


def show_document(document: Document) -> None:
    """One document: what is known about it, then its text, rendered."""
    from rich.markdown import Markdown
    from rich.syntax import Syntax

    out = console()
    facts = {
        "title": document.title,
        "author": document.metadata.get("author") or document.author,
        "link": document.link,
        "kind": f"{document.kind} ({document.platform})",
        "published": f"{document.published_at:%Y-%m-%d}" if document.published_at else "",
        "language": document.language or "",
    }
    for name, value in facts.items():
        if value:
            out.print(f"[bold]{name:<10}[/] {escape(value)}")
    out.print()
    text = printable(document.text)
    if document.kind == "code":
        out.print(Syntax(text, Syntax.guess_lexer(document.title, text), background_color="default"))
    else:
        Console().print(Markdown(text))
