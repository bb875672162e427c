"""The ways in: how orders are placed, replaced and canceled."""

from __future__ import annotations

from dataclasses import dataclass

from services.kernel.drain import Pace
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.replacing import Replacing
from services.order.store.listing import Listing
from services.order.store.lists import PostgresLists
from services.order.store.replaces import Replaces
from services.order.wiring.around import Around
from services.order.wiring.core import Core


@dataclass(frozen=True, slots=True)
class Entry:
    """The ways in, and the lists that there are."""

    placing: Placing
    replacing: Replacing
    orders: Orders
    order_lists: OrderLists
    list_store: PostgresLists
    listing: Listing


def entry_of(core: Core, around: Around) -> Entry:
    """Makes the ways in."""
    settings, book, writer, store = core.settings, core.book, core.writer, core.store
    placing = Placing(
        book,
        writer,
        store,
        risk=around.risk,
        instruments=around.instruments,
        quotes=around.quotes,
        clock=core.clock,
        metrics=core.metrics,
        venue_types=around.broker.venue_types,
        most_per_batch=settings.most_orders_per_check,
        most_waiting=settings.most_waiting_orders,
        pace=Pace(settings.check_interval_seconds),
    )
    core.metrics.waiting.set_function(lambda: placing.in_flight)
    orders, list_store = Orders(book, writer, store), PostgresLists(core.database)
    replacing = Replacing(
        book,
        writer,
        orders,
        Replaces(core.database),
        risk=around.risk,
        instruments=around.instruments,
        clock=core.clock,
        most_per_batch=settings.most_orders_per_check,
        most_waiting=settings.most_waiting_orders,
    )
    order_lists = OrderLists(
        placing, writer, store, list_store, orders, instruments=around.instruments, clock=core.clock
    )
    return Entry(placing, replacing, orders, order_lists, list_store, Listing(core.database))
