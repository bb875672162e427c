"""Reports of venues on their way into the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.order.domain.adjusting import adjust
from services.order.domain.applying import apply, fill_anew, lose
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.venue import ADJUSTING, VenueReport, VenueReportType
from services.order.pipeline.book import Key
from services.order.pipeline.entries import Draft
from services.order.pipeline.metrics import Metrics

_log = structlog.stdlib.get_logger(__name__)

LOST_TEXT = "the venue has lost its history and does not know the order any more"
PASSED_OVER_TEXT = "the venue has taken later commands and never the order"


class Kept:
    """The part of a work that nobody waits for and that must not be lost."""

    kept = True

    def resolve(self, existing: Mapping[Key, Order]) -> None:
        """Nothing of it can exist already."""

    def failed(self, error: CodedError) -> None:
        """Never: it is tried again."""

    def abandoned(self) -> None:
        """Never: it is tried again."""


class VenueReports(Kept):
    """Reports of one connection, in their order.

    What was consumed before is dropped, a gap ends the batch: the rest is asked for again. A report without a sequence
    is BrokerService's own, of a command that it could not deliver to any venue. A report of an order that is not live
    here is handed to `investigate` once the batch is committed, unless it is of a trade that the venue adjusts: those
    change ended orders, too.
    """

    def __init__(
        self,
        connection_id: str,
        epoch: str,
        reports: Sequence[VenueReport],
        metrics: Metrics,
        *,
        on_gap: Callable[[int, int], None],
        investigate: Callable[[Sequence[VenueReport]], None],
    ) -> None:
        self._connection_id, self._epoch, self._reports = connection_id, epoch, reports
        self._metrics = metrics
        self._on_gap, self._investigate = on_gap, investigate
        self._ignored: dict[str, int] = {}
        self._strays: list[VenueReport] = []
        self._gap: tuple[int, int] | None = None

    @property
    def weight(self) -> int:
        """One entry for each report, at most."""
        return len(self._reports)

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Lets each report change its order."""
        self._begin()
        epoch, reached = draft.cursor(self._connection_id)
        reports = self._reports
        if epoch != self._epoch:
            # Of a session that is over; what counts is asked for again. Reports that no venue made have no epoch.
            reports = [report for report in reports if not report.sequence]
            self._ignored["other_epoch"] = len(self._reports) - len(reports)
        new_id = identifiers.new_id
        for report in reports:
            if not report.sequence:
                self._add(draft, report, new_id)
                continue
            if report.sequence <= reached:
                self._count("repeated")
                continue
            if report.sequence != reached + 1:
                self._gap = (reached, report.sequence)
                break
            reached = report.sequence
            self._add(draft, report, new_id)
        if reached != draft.cursor(self._connection_id)[1]:
            draft.cursors[self._connection_id] = (epoch, reached)

    def committed(self) -> None:
        """Counts what changed nothing, and sees to what was not expected."""
        for reason, count in self._ignored.items():
            if count:
                self._metrics.ignored(reason, count)
        if self._strays:
            self._investigate(self._strays)
        if self._gap is not None:
            self._on_gap(*self._gap)

    def _begin(self) -> None:
        self._ignored = {}
        self._strays = []
        self._gap = None

    def _count(self, reason: str) -> None:
        self._ignored[reason] = self._ignored.get(reason, 0) + 1

    def _add(self, draft: Draft, report: VenueReport, new_id: Callable[[], str]) -> None:
        event = self._event(draft, report)
        if event is not None:
            draft.append(event, new_id())

    def _event(self, draft: Draft, report: VenueReport) -> OrderEvent | None:
        order = draft.order(report.order_id)
        try:
            if order is not None and order.live and report.adjustment is None:
                event: OrderEvent | Ignored | None = apply(order, report, draft.next_sequence, draft.at_ns)
            else:
                event = self._unusual(draft, report, order)
        except ValueError as error:
            _log.error("a venue's report makes no sense", order_id=report.order_id, error=str(error))
            self._count("malformed")
            return None
        if event is None:
            self._strays.append(report)
            return None
        if isinstance(event, Ignored):
            self._count(event.value)
            return None
        self._compare(event, report)
        return event

    def _unusual(self, draft: Draft, report: VenueReport, order: Order | None) -> OrderEvent | Ignored | None:
        """Returns what a report does that is of an order that is not live, or of what a venue changes on its own."""
        if report.type in ADJUSTING:
            return self._adjust(draft, report)
        if report.type is VenueReportType.TRADE and (order is None or not order.live):
            return self._fill_after_end(draft, report)
        return None if order is None else apply(order, report, draft.next_sequence, draft.at_ns)

    def _adjust(self, draft: Draft, report: VenueReport) -> OrderEvent | Ignored | None:
        """Returns what the cancel or correction of a trade does; None when there is no such order or trade."""
        history = draft.history(report.order_id)
        if history is None:
            return None
        made = adjust(history.order, report, history.executions, draft.next_sequence, draft.at_ns)
        if made in (Ignored.UNKNOWN_EXECUTION, Ignored.CANCELED_EXECUTION):
            return None
        return made

    def _fill_after_end(self, draft: Draft, report: VenueReport) -> OrderEvent | Ignored | None:
        """Returns what a fill does that a venue makes anew after it took one back; None for any other one."""
        history = draft.history(report.order_id)
        if history is None or not history.executions.adjusted:
            return None
        if report.venue_execution_id and history.executions.find(report.venue_execution_id) is not None:
            return Ignored.REPEATED_FILL
        return fill_anew(history.order, report, draft.next_sequence, draft.at_ns)

    def _compare(self, event: OrderEvent, report: VenueReport) -> None:
        """Tells when a venue counts other than we do; the fills that it reported are what we book."""
        order, told = event.order, report.cumulative_quantity
        if event.is_fill and told is not None and told != order.cumulative:
            self._count("cumulative_differs")
            _log.error(
                "the venue counts other fills", order_id=report.order_id, told=str(told), ours=str(order.cumulative)
            )
        if order.cumulative > order.terms.quantity:
            self._count("overfilled")
            _log.error("the venue has filled more than was ordered", order_id=report.order_id)


class AdoptEpoch(Kept):
    """A connection has opened: its venue's epoch is noted; a new one ends the orders that the venue has lost.

    Attributes:
        lost: Orders that were ended.
    """

    def __init__(
        self, connection_id: str, epoch: str, known_order_ids: frozenset[str], done: Callable[[], None]
    ) -> None:
        self._connection_id, self._epoch, self._known = connection_id, epoch, known_order_ids
        self._done = done
        self.lost: list[str] = []

    weight = 1

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Moves the cursor into the epoch, and ends what the venue took before and does not know now."""
        self.lost = []
        epoch, reached = draft.cursor(self._connection_id)
        if epoch == self._epoch:
            return
        draft.cursors[self._connection_id] = (self._epoch, 0 if epoch else reached)
        if not epoch:
            return
        for order in draft.orders_at(self._connection_id):
            if order.accepted and order.at_venue and order.terms.order_id not in self._known:
                event = lose(order, draft.next_sequence, draft.at_ns, LOST_TEXT)
                if event is not None:
                    draft.append(event, identifiers.new_id())
                    self.lost.append(order.terms.order_id)

    def committed(self) -> None:
        """Goes on with the connection."""
        self._done()


class EndPassedOver(Kept):
    """Ends orders that a venue will never take: its reports up to later commands are consumed, and it took others.

    Attributes:
        ended: Orders that were ended.
    """

    weight = 1

    def __init__(self, connection_id: str, last_command: int, done: Callable[[], None]) -> None:
        self._connection_id, self._last_command, self._done = connection_id, last_command, done
        self.ended: list[str] = []

    def prepare(self, draft: Draft, identifiers: Identifiers) -> None:
        """Ends what the venue should have taken by its count of commands, and has never answered."""
        self.ended = []
        for order in draft.unanswered_at(self._connection_id, self._last_command):
            event = lose(order, draft.next_sequence, draft.at_ns, PASSED_OVER_TEXT)
            if event is not None:
                draft.append(event, identifiers.new_id())
                self.ended.append(order.terms.order_id)

    def committed(self) -> None:
        """Goes on with the comparison."""
        self._done()
