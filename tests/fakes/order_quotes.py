"""The newest quotes as plain objects that a test sets."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.order.domain.quotes import Quote


@dataclass
class FakeQuotes:
    """Tells the quotes that it was given."""

    quotes: dict[str, Quote] = field(default_factory=dict)

    def quote(self, instrument: str) -> Quote | None:
        return self.quotes.get(instrument)
