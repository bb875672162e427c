"""The terms that few orders have beside price and quantity: stop price, expiry, post-only, links to other orders."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from decimal import Decimal

from services.kernel.decimals import format_decimal
from services.order.domain.algorithms.terms import Algorithm
from services.order.domain.links import Links


@dataclass(frozen=True, slots=True)
class Instructions:
    """What an order asks for beyond price and quantity. Most orders have none at all.

    Attributes:
        stop_price: Price at which the order is released; None for an order that does not wait.
        expire_at_ns: When it expires, nanoseconds since 1970; None for an order that is not good till date.
        post_only: Whether it never takes.
        display_quantity: The most that the book shows of it at a time; None: all of it.
        triggered: Whether it was released: from then on it is a market or a limit order.
        links: What it belongs to; None for an order that stands alone.
        works_through_children: Whether it never goes to a venue itself: its child orders fill it.
        algorithm: How it is worked; None for an order without an algorithm.
    """

    stop_price: Decimal | None = None
    expire_at_ns: int | None = None
    post_only: bool = False
    display_quantity: Decimal | None = None
    triggered: bool = False
    links: Links | None = None
    works_through_children: bool = False
    algorithm: Algorithm | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for its stop price."""
        return self.stop_price is not None and not self.triggered

    def with_stop_price(self, stop_price: Decimal | None) -> Instructions:
        """Returns them with another stop price."""
        return changed(self, stop_price=stop_price)

    def released(self) -> Instructions:
        """Returns them as they are once the order was released."""
        return changed(self, triggered=True)

    def working_by(self, algorithm: Algorithm) -> Instructions:
        """Returns them with another state of the algorithm."""
        return changed(self, algorithm=algorithm)

    def for_venue(self) -> Instructions:
        """Returns what a venue is told of them that has not held the order: there is no price left to wait for."""
        return changed(self, stop_price=None)

    def digest_text(self) -> str:
        """Returns what they add to the digest of a request: the same for the same values, nothing for none."""
        parts = (
            ("stop", _text(self.stop_price)),
            ("until", "" if self.expire_at_ns is None else str(self.expire_at_ns)),
            ("post-only", "yes" if self.post_only else ""),
            ("display", _text(self.display_quantity)),
        )
        text = "".join(f"|{name}={value}" for name, value in parts if value)
        if self.algorithm is not None:
            text += self.algorithm.digest_text()
        return text if self.links is None else text + self.links.digest_text()


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)
