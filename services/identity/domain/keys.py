"""When keys sign: each is told before it signs, and kept after it for as long as what it has signed is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """A key: its id, and when it begins to sign."""

    key_id: str
    active_from: datetime


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How keys follow one another.

    Attributes:
        period: How long a key signs before the next one does.
        lead: How long a key is told before it signs: longer than anybody keeps what they were told.
        kept: How long a key is told after it has signed last: the life of a token, and what clocks differ by.
    """

    period: timedelta
    lead: timedelta
    kept: timedelta


def signing(keys: Sequence[KeyTimes], now: datetime) -> KeyTimes | None:
    """Returns the key that signs: of those whose time has come the newest; None when there is none."""
    return max((key for key in keys if key.active_from <= now), key=_order, default=None)


def next_from(keys: Sequence[KeyTimes], rules: KeyRules, now: datetime) -> datetime | None:
    """Returns when a key that is to be made now begins to sign; None when it is too early to make one.

    The first one signs at once: before it there was nobody who could have been told.
    """
    newest = max(keys, key=_order, default=None)
    if newest is None:
        return now
    due = newest.active_from + rules.period
    return max(due, now + rules.lead) if due - rules.lead <= now else None


def over(keys: Sequence[KeyTimes], rules: KeyRules, now: datetime) -> list[KeyTimes]:
    """Returns the keys of which nothing is good any more: those whose successor has signed for long enough."""
    ordered = sorted(keys, key=_order)
    return [key for key, following in pairwise(ordered) if following.active_from + rules.kept <= now]


def _order(key: KeyTimes) -> tuple[datetime, str]:
    return key.active_from, key.key_id
