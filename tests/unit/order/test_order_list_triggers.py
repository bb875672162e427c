"""Held orders of lists in the pipeline: watched from when they may go, sent when no other is in the way."""

from __future__ import annotations

from decimal import Decimal

from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, Side
from services.order.domain.venue import VenueReportType
from tests.fakes.orders import report, terms
from tests.fakes.trigger_desk import desk

SUSPENDED, PENDING_NEW = OrderStatus.SUSPENDED, OrderStatus.PENDING_NEW
RELEASED = ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM
LIST_ID = "22222222-0000-7000-8000-000000000001"


def listed(role: ListRole, type_: OrderType, side: Side, price: str) -> OrderTerms:
    """Returns an order of a list."""
    conditional = type_ is not OrderType.LIMIT
    links = Links(LIST_ID, role, ordered=Decimal(100))
    return terms(
        side=side,
        type=type_,
        limit_price=None if conditional else price,
        instructions=Instructions(Decimal(price) if conditional else None, links=links),
    )


async def test_an_exit_is_watched_from_its_entrys_first_fill_on() -> None:
    """Trades before that do not reach it; then the take-profit at the venue leaves before the stop-loss goes there."""
    async with desk() as world:
        entry = listed(ListRole.ENTRY, OrderType.LIMIT, Side.BUY, "100")
        profit = listed(ListRole.EXIT, OrderType.LIMIT, Side.SELL, "110")
        loss = listed(ListRole.EXIT, OrderType.STOP, Side.SELL, "95")
        await world.place(entry, profit, loss)
        assert (world.triggers.held, world.triggers.watched) == (2, 0)
        await world.tell(
            report(entry.order_id, VenueReportType.TRADE, quantity="100", price="100", sequence=0),
        )
        assert world.status(profit.order_id) is PENDING_NEW
        assert world.triggers.watched == 1
        await world.begin("100")
        await world.trade("94")
        triggered = world.store.orders[loss.order_id]
        assert triggered.terms.instructions is not None
        assert (triggered.status, triggered.terms.instructions.triggered) == (SUSPENDED, True)
        assert world.status(profit.order_id) is OrderStatus.PENDING_CANCEL
        await world.tell(report(profit.order_id, VenueReportType.CANCELED, sequence=0))
        assert world.status(loss.order_id) is PENDING_NEW
        assert world.types(loss.order_id).count(RELEASED) == 1


async def test_an_entry_that_waits_to_be_touched_is_sent_when_it_is() -> None:
    """It is in a list and shares its quantity with nobody."""
    async with desk() as world:
        entry = listed(ListRole.ENTRY, OrderType.MARKET_IF_TOUCHED, Side.BUY, "100")
        loss = listed(ListRole.EXIT, OrderType.STOP, Side.SELL, "95")
        await world.place(entry, loss)
        await world.begin("101")
        assert world.triggers.watched == 1
        await world.trade("100")
        assert (world.status(entry.order_id), world.status(loss.order_id)) == (PENDING_NEW, SUSPENDED)
