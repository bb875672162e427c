"""The agents of one instrument. The same seed and the same executions give the same orders."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from services.market.agents.fair_value import FairValue
from services.market.orders import Action, CancelOrder, Execution, ExecutionKind, NewOrder, Side

MAKERS = 2
LEVELS = 6
REQUOTE_PROBABILITY = 0.3
NOISE_PER_TAKER = 2.0
NOISE_LIFE_SECONDS = 8.0
NOISE_REACH = 12
IMPACT = 0.00002
"""Share by which one typical order moves the price."""
GROUPS = 1 << 62
"""Agents' self-trade groups begin here, far from those of accounts."""


@dataclass(frozen=True, slots=True)
class Terms:
    """An instrument as its agents see it, in ticks and lots.

    Attributes:
        engine_id: Number of the instrument at the engine.
        price_ticks: Price to begin with.
        half_spread_ticks: Half of the makers' spread, at least half a tick.
        quantity_lots: Typical quantity of an order.
        volatility: Of the logarithm of the price, over a year of trading.
        activity: Takers' orders a second.
    """

    engine_id: int
    price_ticks: float
    half_spread_ticks: float
    quantity_lots: int
    volatility: float
    activity: float


@dataclass(slots=True)
class _Resting:
    """An order of an agent in the book: of the maker of that number, or of the noise."""

    side: Side
    price_ticks: int
    owner: int
    until: float


class InstrumentMarket:
    """Makers, takers and noise in one instrument.

    Args:
        terms: The instrument.
        seed: Gives the same market each time.
        run: Number that keeps the order ids of two runs apart.
    """

    def __init__(self, terms: Terms, seed: str, run: int) -> None:
        self._terms = terms
        self._draw = Random(seed)  # noqa: S311 - a reproducible market is the point
        self._value = FairValue(terms.price_ticks, terms.volatility, self._draw)
        self._resting: dict[bytes, _Resting] = {}
        self._prefix = run.to_bytes(6, "big") + terms.engine_id.to_bytes(4, "big")
        self._count = 0
        self._time = 0.0

    @property
    def engine_id(self) -> int:
        """Number of the instrument at the engine."""
        return self._terms.engine_id

    @property
    def fair_ticks(self) -> float:
        """What the agents think it is worth, in ticks."""
        return self._value.ticks

    def step(self, seconds: float) -> list[Action]:
        """Lets time pass and returns what the agents do."""
        self._time += seconds
        self._value.step(seconds)
        actions: list[Action] = []
        for maker in range(MAKERS):
            if self._draw.random() < REQUOTE_PROBABILITY or not self._has_quotes(maker):
                actions += self._requote(maker)
        actions += self._expire()
        if self._happens(self._terms.activity * NOISE_PER_TAKER, seconds):
            actions.append(self._noise())
        if self._happens(self._terms.activity, seconds):
            actions.append(self._take())
        return actions

    def observe(self, execution: Execution) -> None:
        """Takes in what happened to an order of the agents."""
        resting = self._resting.get(execution.order_id)
        if execution.kind is ExecutionKind.TRADE and execution.maker and resting is not None:
            share = execution.quantity_lots / self._terms.quantity_lots
            self._value.push(-resting.side.sign * IMPACT * min(share, 10.0))
        gone = execution.kind in (ExecutionKind.ENDED, ExecutionKind.REJECTED)
        if gone or (execution.kind is ExecutionKind.TRADE and execution.leaves_lots == 0):
            self._resting.pop(execution.order_id, None)

    def _has_quotes(self, maker: int) -> bool:
        return any(order.owner == maker for order in self._resting.values())

    def _requote(self, maker: int) -> list[Action]:
        """Moves a maker's ladder to the value: only the levels that are not right already."""
        wanted = {(side, price) for side in Side for price in self._ladder(maker, side)}
        actions: list[Action] = []
        for order_id, order in list(self._resting.items()):
            if order.owner != maker:
                continue
            if (order.side, order.price_ticks) in wanted:
                wanted.discard((order.side, order.price_ticks))
            else:
                actions.append(CancelOrder(order_id))
        for side, price in sorted(wanted, key=lambda level: (level[0].value, level[1])):
            actions.append(self._enter(side, price, self._quantity(), owner=maker, until=float("inf")))
        return actions

    def _ladder(self, maker: int, side: Side) -> list[int]:
        away = self._terms.half_spread_ticks * (1 + 0.5 * maker)
        step = max(1, round(self._terms.half_spread_ticks))
        first = round(self._value.ticks - side.sign * max(0.5, away) - side.sign * 0.01)
        prices = (first - side.sign * step * level for level in range(LEVELS))
        return [price for price in prices if price > 0]

    def _expire(self) -> list[Action]:
        return [CancelOrder(order_id) for order_id, order in self._resting.items() if order.until <= self._time]

    def _noise(self) -> NewOrder:
        side = self._draw.choice((Side.BUY, Side.SELL))
        reach = max(1.0, self._terms.half_spread_ticks) * NOISE_REACH
        price = max(1, round(self._value.ticks - side.sign * self._draw.random() * reach))
        life = self._draw.expovariate(1 / NOISE_LIFE_SECONDS)
        return self._enter(side, price, self._quantity(), owner=MAKERS, until=self._time + life)

    def _take(self) -> NewOrder:
        side = self._draw.choice((Side.BUY, Side.SELL))
        reach = max(1.0, self._terms.half_spread_ticks) * (1 + 2 * self._draw.random())
        price = max(1, round(self._value.ticks + side.sign * reach))
        self._count += 1
        return NewOrder(
            self._order_id(),
            self._terms.engine_id,
            side,
            price,
            self._quantity(),
            immediate=True,
            group=GROUPS + MAKERS + 1,
        )

    def _enter(self, side: Side, price: int, quantity: int, *, owner: int, until: float) -> NewOrder:
        self._count += 1
        order_id = self._order_id()
        self._resting[order_id] = _Resting(side, price, owner, until)
        return NewOrder(order_id, self._terms.engine_id, side, price, quantity, group=GROUPS + owner)

    def _quantity(self) -> int:
        return max(1, round(self._terms.quantity_lots * self._draw.lognormvariate(0.0, 0.6)))

    def _happens(self, rate: float, seconds: float) -> bool:
        return self._draw.random() < rate * seconds

    def _order_id(self) -> bytes:
        return self._prefix + self._count.to_bytes(6, "big")
