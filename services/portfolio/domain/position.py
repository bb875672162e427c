"""Positions by the average-cost method, exact.

With signed quantity q, a fill of signed quantity n at price p, and A the average cost:

    same direction (or from zero):  A' = (|q| A + |n| p) / (|q| + |n|)          nothing is realised
    reduces (|n| <= |q|):           A' = A        realised (p - A) |n| sign(q) x multiplier
    passes through zero:            closes q at A, opens q + n at p:  A' = p

An average is a quotient and does not end, so none is kept. What is kept is the cost C and the quantity Q from which the
average was last made (A = C / Q), and the sum I of price x quantity over all fills, signed. The cost of what is held is
C |q| / Q, rounded to 18 places only where it does not end; and

    realised = multiplier x (cost held - I)

So realised + unrealised = multiplier x (q x price - I) holds exactly, whatever was rounded, and splitting a fill into
several of its price changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from services.kernel.decimals import EXACT, ZERO
from services.portfolio.domain.fill import Fill, InstrumentTerms

COST_PLACES = Decimal(1).scaleb(-18)
AVERAGE_PLACES = Decimal(1).scaleb(-12)


@dataclass(slots=True)  # not frozen, and never changed: so it is made in a fourth of the time
class Position:
    """What an account holds of an instrument.

    Attributes:
        account_id: Account.
        instrument: `SYMBOL.VENUE`.
        currency: Currency of its amounts.
        multiplier: Units of the underlying in one unit of quantity.
        quantity: Negative when short.
        basis_quantity: Q: what was held, without its sign, when the average was last made.
        basis_cost: C: price x quantity of that.
        invested: I: the sum of price x signed quantity over all fills.
        fees: Sum of fees.
        bought: Quantity bought since the first fill.
        sold: Quantity sold since the first fill.
        trade_count: Number of fills.
        order_sequence: Place in the order log of the last fill.
        sequence: Place in the log of positions of the last change.
        opened_at_ns: When the first fill was made.
        updated_at_ns: When the last fill was made.
    """

    account_id: str
    instrument: str
    currency: str
    multiplier: Decimal
    quantity: Decimal = ZERO
    basis_quantity: Decimal = ZERO
    basis_cost: Decimal = ZERO
    invested: Decimal = ZERO
    fees: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    trade_count: int = 0
    order_sequence: int = 0
    sequence: int = 0
    opened_at_ns: int = 0
    updated_at_ns: int = 0
    _cost: Decimal | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def is_open(self) -> bool:
        """Whether anything is held."""
        return bool(self.quantity)

    @property
    def held_cost(self) -> Decimal:
        """Price x quantity of what is held, without its sign and the multiplier."""
        held = abs(self.quantity)
        if held == self.basis_quantity:
            return self.basis_cost
        cost = EXACT.divide(EXACT.multiply(self.basis_cost, held), self.basis_quantity)
        return cost.quantize(COST_PLACES, ROUND_HALF_EVEN, context=EXACT)

    @property
    def cost(self) -> Decimal:
        """What is held cost, in money: negative when short. Worked out once: a booking asks for it four times."""
        if self._cost is None:
            signed = self.held_cost.copy_sign(self.quantity) if self.quantity else ZERO
            self._cost = EXACT.multiply(self.multiplier, signed)
        return self._cost

    @property
    def average_cost(self) -> Decimal | None:
        """Average price of what is held, rounded to 12 places; None once closed."""
        if not self.quantity:
            return None
        average = EXACT.divide(self.basis_cost, self.basis_quantity)
        return average.quantize(AVERAGE_PLACES, ROUND_HALF_EVEN, context=EXACT)

    @property
    def realised_profit(self) -> Decimal:
        """Profit of what was closed, in money, before fees."""
        return EXACT.subtract(self.cost, EXACT.multiply(self.multiplier, self.invested))

    def market_value(self, price: Decimal) -> Decimal:
        """Returns what is held is worth at a price, in money: negative when short."""
        return EXACT.multiply(EXACT.multiply(self.quantity, price), self.multiplier)

    def unrealised_profit(self, price: Decimal) -> Decimal:
        """Returns the profit that closing at a price would realise, in money."""
        return EXACT.subtract(self.market_value(price), self.cost)

    def after(self, fill: Fill, sequence: int = 0) -> Position:
        """Returns the position with a fill booked into it, at a place in the log of positions."""
        basis_quantity, basis_cost = self._basis_after(fill)
        signed = fill.signed_quantity
        quantity = EXACT.add(self.quantity, signed)
        buys = signed > ZERO
        # Made whole: `replace` costs more than all the arithmetic, and this is done for every fill.
        return Position(
            account_id=self.account_id,
            instrument=self.instrument,
            currency=self.currency,
            multiplier=self.multiplier,
            quantity=quantity,
            basis_quantity=basis_quantity if quantity else ZERO,
            basis_cost=basis_cost if quantity else ZERO,
            invested=EXACT.fma(signed, fill.price, self.invested),
            fees=EXACT.add(self.fees, fill.fee),
            bought=EXACT.add(self.bought, fill.quantity) if buys else self.bought,
            sold=self.sold if buys else EXACT.add(self.sold, fill.quantity),
            trade_count=self.trade_count + 1,
            order_sequence=fill.sequence,
            sequence=sequence,
            opened_at_ns=self.opened_at_ns or fill.executed_at_ns,
            updated_at_ns=max(self.updated_at_ns, fill.executed_at_ns),
        )

    def _basis_after(self, fill: Fill) -> tuple[Decimal, Decimal]:
        held = abs(self.quantity)
        if not held or (self.quantity > ZERO) == (fill.signed_quantity > ZERO):
            return EXACT.add(held, fill.quantity), EXACT.fma(fill.quantity, fill.price, self.held_cost)
        if fill.quantity <= held:
            return self.basis_quantity, self.basis_cost
        opened = EXACT.subtract(fill.quantity, held)
        return opened, EXACT.multiply(opened, fill.price)


def new_position(account_id: str, terms: InstrumentTerms) -> Position:
    """Returns the position of an account that has never traded the instrument."""
    return Position(account_id, terms.name, terms.currency, terms.multiplier)


def cash_flow(fill: Fill, multiplier: Decimal) -> Decimal:
    """Returns what a fill adds to the account's cash: less its price when bought, plus it when sold, less the fee."""
    value = EXACT.multiply(EXACT.multiply(fill.signed_quantity, fill.price), multiplier)
    return EXACT.subtract(-value, fill.fee)
