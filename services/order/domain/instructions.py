"""The terms that few orders have beside price and quantity: stop price, expiry, reduce-only, links to other orders."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from decimal import Decimal

from services.kernel.decimals import format_decimal
from services.order.domain.algorithms.terms import Algorithm
from services.order.domain.links import Links
from services.order.domain.trailing import TrailingStop


@dataclass(frozen=True, slots=True)
class Instructions:
    """What an order asks for beyond price and quantity. Most orders have none at all.

    Attributes:
        stop_price: Price at which the order is released; None for an order that does not wait, and for a trailing stop
            order before the first trade.
        expire_at_ns: When it expires, nanoseconds since 1970; None for an order that is not good till date.
        post_only: Whether it never takes.
        display_quantity: The most that the book shows of it at a time; None: all of it.
        triggered: Whether it was released: from then on it is a market or a limit order.
        reduce_only: Whether it may only reduce the position, which RiskService sees to.
        links: What it belongs to; None for an order that stands alone.
        works_through_children: Whether it never goes to a venue itself: its child orders fill it.
        algorithm: How it is worked; None for an order without an algorithm.
        trailing: How its stop price follows the market; None for one that does not.
        held_here: Whether it was kept here, at its entry, because its venue does not hold orders of its type.
    """

    stop_price: Decimal | None = None
    expire_at_ns: int | None = None
    post_only: bool = False
    display_quantity: Decimal | None = None
    triggered: bool = False
    reduce_only: bool = False
    links: Links | None = None
    works_through_children: bool = False
    algorithm: Algorithm | None = None
    trailing: TrailingStop | None = None
    held_here: bool = False

    @property
    def waits(self) -> bool:
        """Whether it waits for its stop price."""
        return (self.stop_price is not None or self.trailing is not None) and not self.triggered

    def with_stop_price(self, stop_price: Decimal | None) -> Instructions:
        """Returns them with another stop price."""
        return changed(self, stop_price=stop_price)

    def trailed(self, trailing: TrailingStop, stop_price: Decimal | None) -> Instructions:
        """Returns them with another way to follow the market, and the stop price that comes of it."""
        return changed(self, trailing=trailing, stop_price=stop_price)

    def held(self) -> Instructions:
        """Returns them for an order that is kept here though its venue might hold it elsewhere."""
        return changed(self, held_here=True)

    def with_expiry(self, expire_at_ns: int) -> Instructions:
        """Returns them with another expiry."""
        return changed(self, expire_at_ns=expire_at_ns)

    def released(self) -> Instructions:
        """Returns them as they are once the order was released."""
        return changed(self, triggered=True)

    def working_by(self, algorithm: Algorithm) -> Instructions:
        """Returns them with another state of the algorithm."""
        return changed(self, algorithm=algorithm)

    def for_venue(self) -> Instructions:
        """Returns what a venue is told of them that has not held the order: there is no price left to wait for."""
        return changed(self, stop_price=None, trailing=None)

    def digest_text(self) -> str:
        """Returns what they add to the digest of a request: the same for the same values, nothing for none."""
        parts = (
            ("stop", _text(self.stop_price)),
            ("until", "" if self.expire_at_ns is None else str(self.expire_at_ns)),
            ("post-only", "yes" if self.post_only else ""),
            ("display", _text(self.display_quantity)),
            ("reduce-only", "yes" if self.reduce_only else ""),
            ("trail", "" if self.trailing is None else self.trailing.digest_text()),
        )
        text = "".join(f"|{name}={value}" for name, value in parts if value)
        if self.algorithm is not None:
            text += self.algorithm.digest_text()
        return text if self.links is None else text + self.links.digest_text()


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)
