"""Why a report of a venue may change nothing."""

from __future__ import annotations

from enum import Enum


class Ignored(Enum):
    """Why a venue's report changes nothing."""

    ENDED = "ended"
    """The order has ended; what ends or refuses a cancel after that is late, by FIX."""
    FILL_AFTER_END = "fill_after_end"
    """A fill of an order that has ended: never expected, to be looked into."""
    REPEATED_FILL = "repeated_fill"
    """The venue's own count says that this fill is already in it."""
    REPEATED_ACCEPT = "repeated_accept"
    """The order is known to be accepted."""
    NO_CANCEL_PENDING = "no_cancel_pending"
    """A cancel is refused that nobody waits for."""
    NO_REPLACE_PENDING = "no_replace_pending"
    """A replace is told that nobody waits for."""
    NOT_WAITING = "not_waiting"
    """An order is told as released that does not wait, or is known to be released."""
    REPEATED_ADJUSTMENT = "repeated_adjustment"
    """A trade is canceled or corrected that is so already."""
    UNKNOWN_EXECUTION = "unknown_execution"
    """A trade is canceled or corrected that is not of the log: never expected, to be looked into."""
    CANCELED_EXECUTION = "canceled_execution"
    """A trade is corrected that the venue has canceled: never expected, to be looked into."""
    REPEATED_RESTATEMENT = "repeated_restatement"
    """An order is restated to the terms that it has."""
