"""What callers can do to orders, besides placing them."""

from __future__ import annotations

from services.order.domain import refusals
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus
from services.order.pipeline.book import Book
from services.order.pipeline.ports import Store
from services.order.pipeline.work import CancelFilter, CancelOrder, CancelOrders
from services.order.pipeline.writer import Writer


class Orders:
    """Cancels orders and tells them."""

    def __init__(self, book: Book, writer: Writer, store: Store) -> None:
        self._book, self._writer, self._store = book, writer, store

    @property
    def as_of(self) -> int:
        """Last sequence of the log; what is read from the store from now on reflects at least it."""
        return self._book.sequence

    async def get(self, order_id: str) -> tuple[Order, int]:
        """Returns an order and the sequence of the log that it reflects.

        Raises:
            CodedError: UNKNOWN_ORDER or STORE_UNAVAILABLE.
        """
        as_of = self._book.sequence
        order = self._book.live.get(order_id) or await self._store.order(order_id)
        if order is None:
            raise refusals.unknown_order(order_id)
        return order, max(as_of, order.sequence)

    async def cancel(self, order_id: str) -> Order:
        """Asks the venue to cancel an order, and returns it once the request is committed; one held here is canceled.

        Raises:
            CodedError: UNKNOWN_ORDER, ORDER_NOT_LIVE, STORE_UNAVAILABLE or OVERLOADED.
        """
        order = self._book.live.get(order_id)
        if order is None:
            ended, _ = await self.get(order_id)
            raise refusals.not_live(ended)
        if order.status is OrderStatus.PENDING_CANCEL:
            return order
        self._writer.check_available()
        work = CancelOrder(order_id)
        self._writer.put(work)
        await work.future
        after = work.order
        if after is None:
            after, _ = await self.get(order_id)
        if not (after.live or work.asked):
            raise refusals.not_live(after)
        return after

    async def cancel_all(self, wanted: CancelFilter) -> list[str]:
        """Asks for the cancel of live orders of an account, and returns their ids once that is committed.

        Raises:
            CodedError: STORE_UNAVAILABLE or OVERLOADED.
        """
        self._writer.check_available()
        work = CancelOrders(wanted, self._writer.put)
        self._writer.put(work)
        await work.future
        return work.order_ids
