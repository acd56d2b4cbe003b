"""What the tips amount to, and what the gauge has missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

SWING_SECONDS = 0.35  # from the start of a tip until the other spoon is under the spout
LONGEST_GAP = 1800.0  # seconds; after that a tip says nothing about how hard it rains now


def hourly(tips: Sequence[datetime], mm_per_tip: float = 0.2) -> dict[datetime, float]:
    """Millimetres of rain in each hour that had any, corrected for what is lost while swinging."""
    totals: dict[datetime, float] = {}
    previous = None
    for tip in tips:
        seconds = (tip - previous).total_seconds() if previous else LONGEST_GAP
        hour = tip.replace(minute=0, second=0, microsecond=0)
        caught = mm_per_tip + lost_while_swinging(mm_per_tip, seconds)
        totals[hour] = totals.get(hour, 0.0) + caught
        previous = tip
    return totals


def lost_while_swinging(mm_per_tip: float, seconds: float) -> float:
    """Millimetres that fell into the full spoon while it was already on its way.

    The spout runs at a steady rate for the `seconds` between two tips, but the empty spoon is only in
    place for `seconds - SWING_SECONDS` of them.
    """
    if not SWING_SECONDS < seconds < LONGEST_GAP:
        return 0.0
    rate = mm_per_tip / (seconds - SWING_SECONDS)
    return rate * SWING_SECONDS
