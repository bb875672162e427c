"""Which risk rule refused an order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RiskBreach:
    """A rule, its limit, and what the order would have made of it.

    Attributes:
        rule: Number of the rule in the contract.
        limit: The limit, a decimal in the rule's unit; empty for a rule without one.
        observed: What was observed, the order included.
        unit: Unit of both.
        text: The same in a sentence.
    """

    rule: int
    limit: str = ""
    observed: str = ""
    unit: str = ""
    text: str = ""
