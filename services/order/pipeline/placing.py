"""The way in of an order: known already, allowed, checked by risk; then it is the writer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.kernel.clock import Clock
from services.kernel.drain import Drain, Pace
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain import refusals, rules
from services.order.domain.held import kept_here
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.pipeline.beginning import beginning, room_at_parent
from services.order.pipeline.book import Book, Key
from services.order.pipeline.entries import Draft
from services.order.pipeline.looking import Looking
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.ports import Decision, EveryType, Instruments, Quotes, Risk, Store, VenueTypes
from services.order.pipeline.tickets import Outcome, Placement, Ticket
from services.order.pipeline.writer import Writer


class Placing:
    """Takes orders in. `place` is for callers, `run` is the stage that asks risk, a batch at a time."""

    def __init__(
        self,
        book: Book,
        writer: Writer,
        store: Store,
        *,
        risk: Risk,
        instruments: Instruments,
        quotes: Quotes,
        clock: Clock,
        metrics: Metrics,
        venue_types: VenueTypes | None = None,
        most_per_batch: int = 512,
        most_waiting: int = 20_000,
        pace: Pace | None = None,
    ) -> None:
        self._book, self._writer, self._store = book, writer, store
        self._risk, self._instruments, self._clock, self._metrics = risk, instruments, clock, metrics
        self._venue_types = venue_types or EveryType()
        self._quotes = quotes
        self._most_per_batch, self._most_waiting = most_per_batch, most_waiting
        self._in_flight: dict[Key, Placement] = {}
        self._looking = Looking(store, instruments)
        self._waiting: Drain[Placement] = Drain()
        self._pace = pace or Pace(0.0)

    @property
    def in_flight(self) -> int:
        """Orders that were taken in and are not committed yet."""
        return len(self._in_flight)

    async def place(self, orders: Sequence[OrderTerms]) -> list[Outcome]:
        """Places orders, each for itself, and returns their outcomes once they are committed or refused.

        Raises:
            CodedError: OVERLOADED or STORE_UNAVAILABLE; nothing was taken in then.
        """
        self.check_room(len(orders))
        ticket = Ticket(len(orders))
        doubtful = [(terms, index) for index, terms in enumerate(orders) if not self._enter(terms, ticket, index)]
        if doubtful:
            await self._look_closer(doubtful, ticket)
        return await ticket.wait()

    def check_room(self, count: int) -> None:
        """Refuses so many orders more while they cannot be taken in.

        Raises:
            CodedError: OVERLOADED or STORE_UNAVAILABLE.
        """
        self._writer.check_available()
        waiting = len(self._in_flight) + self._looking.waiting
        if waiting + count > self._most_waiting:
            raise refusals.overloaded(waiting)

    def as_held(self, terms: OrderTerms) -> OrderTerms:
        """Returns the terms of an order as it is placed: to wait here, when its venue does not let it wait there."""
        if terms.instructions is None or self._venue_types.takes(terms.connection_id, terms.type):
            return terms
        return kept_here(terms)

    def begin_together(self, orders: Sequence[OrderTerms]) -> tuple[Ticket, list[Placement]]:
        """Takes orders in that are placed all or none, by whoever calls; from here on nobody else can take their ids.

        Raises:
            CodedError: DUPLICATE_CLIENT_ORDER_ID.
        """
        ticket = Ticket(len(orders))
        for terms in orders:
            key = (terms.account_id, terms.client_order_id)
            taken = self.pending(key) or ((order := self._book.find(key)) and order.terms)
            if taken:
                raise refusals.duplicate(terms, taken.order_id)
        placements = [self._placement(terms, ticket, index) for index, terms in enumerate(orders)]
        self._in_flight |= {placement.key: placement for placement in placements}
        return ticket, placements

    def pending(self, key: Key) -> OrderTerms | None:
        """Returns the order on its way in under a client order id; None when there is none."""
        placement = self._in_flight.get(key)
        return None if placement is None else placement.terms

    async def run(self) -> None:
        """Asks risk, batch after batch, for ever."""
        while True:
            await self._waiting.filled()
            # Who sends one order after the other is not held up; of many senders each makes room for the others'.
            await self._pace.turn(at_once=len(self._in_flight) == len(self._waiting))
            await self._ask(self._waiting.take_waiting(self._most_per_batch))

    def _enter(self, terms: OrderTerms, ticket: Ticket, index: int) -> bool:
        """Takes an order in, or answers it; returns False when it is neither known nor obviously allowed."""
        if self._known(terms, ticket, index):
            return True
        instrument = self._instruments.known(terms.instrument)
        if instrument is None:
            return False
        try:
            rules.check(terms, instrument, self._clock.now_ns())
        except CodedError:
            return False
        self._queue(terms, ticket, index)
        return True

    def _known(self, terms: OrderTerms, ticket: Ticket, index: int) -> bool:
        key = (terms.account_id, terms.client_order_id)
        if (placement := self._in_flight.get(key)) is not None:
            if placement.terms.fingerprint == terms.fingerprint:
                placement.join(ticket, index)
            else:
                ticket.settle(index, refusals.duplicate(terms, placement.terms.order_id))
            return True
        if (order := self._book.find(key)) is not None:
            ticket.settle(index, refusals.outcome(order, terms))
            return True
        return False

    async def _look_closer(self, doubtful: Sequence[tuple[OrderTerms, int]], ticket: Ticket) -> None:
        """Answers orders that are not allowed now; but a repeated one gets its first answer all the same."""
        found = await self._looking.look([terms for terms, _ in doubtful])
        for (terms, index), told in zip(doubtful, found, strict=True):
            if isinstance(told, Order):
                ticket.settle(index, refusals.outcome(told, terms))
            elif not self._known(terms, ticket, index):
                self._judge(terms, told, ticket, index)

    def _judge(self, terms: OrderTerms, instrument: Instrument | CodedError, ticket: Ticket, index: int) -> None:
        try:
            if isinstance(instrument, CodedError):
                raise instrument
            rules.check(terms, instrument, self._clock.now_ns())
        except CodedError as error:
            self._metrics.refused(error.reason)
            ticket.settle(index, error)
        else:
            self._queue(terms, ticket, index)

    def _placement(self, terms: OrderTerms, ticket: Ticket, index: int) -> Placement:
        return Placement(self.as_held(terms), self._quotes.quote(terms.instrument), ticket, index)

    def _queue(self, terms: OrderTerms, ticket: Ticket, index: int) -> None:
        placement = self._placement(terms, ticket, index)
        self._in_flight[terms.account_id, terms.client_order_id] = placement
        self._waiting.put(placement)

    async def _ask(self, batch: list[Placement]) -> None:
        batch = self._still_wanted(batch)
        if not batch:
            return
        try:
            decisions = await self.decide([placement.terms for placement in batch])
        except CodedError as error:
            # What waits behind would wait as long for the same answer.
            self.fail([*batch, *self._waiting.take_waiting(len(self._waiting))], error)
            return
        for placement, decision in zip(batch, decisions, strict=True):
            placement.decision = decision
        if decided := self._decided(batch):
            self._writer.put(PlaceOrders(self, decided))

    async def decide(self, orders: Sequence[OrderTerms]) -> Sequence[Decision]:
        """Asks risk, and reserves for the orders that it accepts; they can be appended to the log then.

        Raises:
            CodedError: RISK_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        accounts = self._book.unknown_accounts({terms.account_id for terms in orders})
        if accounts:
            self._book.load_accounts(await self._store.account_sequences(accounts))
        return await self._risk.reserve(orders)

    def _decided(self, batch: list[Placement]) -> list[Placement]:
        """Leaves out what is not stored: risk could not decide on it now, or nobody has the account."""
        unstored = [placement for placement in batch if placement.decision.reason in refusals.UNSTORED]
        if not unstored:
            return batch
        for placement in unstored:
            decision = placement.decision
            self.fail((placement,), refusals.unstored(decision.reason, decision.text))
        return [placement for placement in batch if placement.decision.reason not in refusals.UNSTORED]

    def _still_wanted(self, batch: list[Placement]) -> list[Placement]:
        """Leaves out what nobody waits for any more: under load, it is not worth risk's and the store's time."""
        given_up = [placement for placement in batch if placement.given_up]
        for placement in given_up:
            self.done(placement)
        return [placement for placement in batch if not placement.given_up] if given_up else batch

    def done(self, placement: Placement) -> None:
        """Forgets a placement that is committed or refused; the book or the store know it from now on."""
        del self._in_flight[placement.terms.account_id, placement.terms.client_order_id]

    def fail(self, batch: Sequence[Placement], error: CodedError) -> None:
        """Answers placements with an error."""
        for placement in batch:
            if not placement.settled:
                self._metrics.refused(error.reason)
                self.done(placement)
                placement.settle(error)

    def release(self, batch: Sequence[Placement]) -> None:
        """Lets the reservations of placements go."""
        order_ids = [placement.terms.order_id for placement in batch if not placement.decision.reason]
        if order_ids:
            self._risk.release(order_ids)


class PlaceOrders:
    """Placements that risk has decided on."""

    kept = False

    def __init__(self, placing: Placing, batch: list[Placement]) -> None:
        self._placing = placing
        self._batch = batch
        self._turned_away: list[Placement] = []

    @property
    def weight(self) -> int:
        """One entry for each order."""
        return len(self._batch)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Begins each order, or refuses it as risk said, or as its parent has no room for it any more."""
        self._turned_away = []
        for placement in self._batch:
            terms, decision = placement.terms, placement.decision
            if not decision.reason and terms.instructions is not None:
                decision = room_at_parent(terms, draft)
                if decision.reason:
                    self._turned_away.append(placement)
            entry = draft.append(beginning(terms, decision, draft), identifiers.new_id())
            entry.arrival, entry.who = placement.arrival, placement.who
            placement.order = entry.order

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Answers repeated requests with the first outcome, and goes on with the others."""
        repeated = [placement for placement in self._batch if placement.key in existing]
        if not repeated:
            return
        self._batch = [placement for placement in self._batch if placement.key not in existing]
        self._placing.release(repeated)
        for placement in repeated:
            self._placing.done(placement)
            placement.settle(refusals.outcome(existing[placement.key], placement.terms))

    def committed(self) -> None:
        """Answers the callers."""
        if self._turned_away:
            self._placing.release(self._turned_away)
        for placement in self._batch:
            if placement.order is None or placement.settled:
                continue
            self._placing.done(placement)
            placement.settle(placement.order)

    def failed(self, error: CodedError) -> None:
        """Answers the callers with an error."""
        self._placing.fail(self._batch, error)

    def abandoned(self) -> None:
        """Lets the reservations go."""
        self._placing.release(self._batch)
