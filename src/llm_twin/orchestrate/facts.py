"""What the dashboard says of a run, and when a run has failed."""

from __future__ import annotations

from typing import Any

from llm_twin.documents import SUCCESSES, Report
from llm_twin.errors import LinkError, Reason

SHOWN = 50  # failures and fingerprints in the metadata; the artifacts hold all


def crawl_facts(report: Report) -> dict[str, Any]:
    """What the dashboard says of a crawl. What was up to date already is not a success of this crawl."""
    domains: dict[str, dict[str, Any]] = {}
    for domain, count in report.domains.items():
        of = [outcome.status for outcome in report.outcomes if outcome.domain == domain]
        domains[domain] = {
            "successful": sum(status in SUCCESSES - {"unchanged"} for status in of),
            "up_to_date": of.count("unchanged"),
            "total": count.total,
            "outcomes": count.outcomes,
        }
    return {
        "domains": domains,
        "outcomes": report.counts,
        "documents": sum(outcome.documents for outcome in report.outcomes),
        "failed": failures(report),
        "run_id": report.run_id,
        "seconds": round(report.seconds, 3),
    }


def failures(report: Report) -> list[str]:
    """What failed, a line each, cut off after some: the artifact holds all."""
    return [f"{outcome.link}: {outcome.reason} {outcome.detail}".strip() for outcome in report.failed[:SHOWN]]


def succeeded(report: Report) -> bool:
    """Whether anything did, or there was nothing to do."""
    return not report.outcomes or any(outcome.status in SUCCESSES for outcome in report.outcomes)


def nothing_succeeded(report: Report) -> LinkError:
    """What a run ends with of which nothing succeeded."""
    first = next(iter(report.failed or report.outcomes))
    which = f"{first.link}: {first.reason} {first.detail}".strip()
    return LinkError(first.reason or Reason.INTERNAL, f"none of {len(report.outcomes)} succeeded; first: {which}")
