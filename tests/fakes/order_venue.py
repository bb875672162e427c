"""A venue in memory, as it stands behind BrokerService: what it does about commands, and all that it has reported."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.type.v1 import error_pb2

CONNECTION = "simulation"
React = Callable[[routing.NewVenueOrder], Iterable[routing.VenueReport]]
ReactToReplace = Callable[[routing.VenueCommand], Iterable[routing.VenueReport]]


def fill(order: routing.NewVenueOrder) -> Iterable[routing.VenueReport]:
    """Accepts and fills at once."""
    price = order.limit_price or "100"
    yield routing.VenueReport(type=routing.VENUE_REPORT_TYPE_ACCEPTED, cumulative_quantity="0")
    yield routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_TRADE,
        last_price=price,
        last_quantity=order.quantity,
        cumulative_quantity=order.quantity,
        fee="0",
    )


def rest(_: routing.NewVenueOrder) -> Iterable[routing.VenueReport]:
    """Accepts, and lets the order rest."""
    yield routing.VenueReport(type=routing.VENUE_REPORT_TYPE_ACCEPTED, cumulative_quantity="0")


def ignore(_: routing.NewVenueOrder) -> Iterable[routing.VenueReport]:
    """Takes the order and says nothing yet."""
    return ()


def do_replace(command: routing.VenueCommand) -> Iterable[routing.VenueReport]:
    """Replaces at once."""
    yield routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_REPLACED, command_sequence=command.command_sequence, cumulative_quantity="0"
    )


def refuse_replace(command: routing.VenueCommand) -> Iterable[routing.VenueReport]:
    """Refuses at once, by the one word that venues have for cancels and replaces."""
    yield routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_CANCEL_REJECTED,
        command_sequence=command.command_sequence,
        reason=error_pb2.ERROR_REASON_VENUE_REJECTED,
        text="not now",
    )


def ignore_replace(_: routing.VenueCommand) -> Iterable[routing.VenueReport]:
    """Takes the request and says nothing yet."""
    return ()


@dataclass
class FakeVenue:
    """A venue that numbers its reports, ignores commands it has seen, and keeps all."""

    react: React = fill
    on_replace: ReactToReplace = field(default_factory=lambda: do_replace)
    epoch: str = field(default_factory=lambda: str(uuid.uuid4()))
    last_command: int = 0
    ignored: int = 0
    commands: list[routing.VenueCommand] = field(default_factory=list)
    reports: list[routing.VenueReport] = field(default_factory=list)
    open: dict[str, routing.NewVenueOrder] = field(default_factory=dict)
    strangers: list[routing.VenueOrder] = field(default_factory=list)

    def apply(self, command: routing.VenueCommand) -> list[routing.VenueReport]:
        if command.command_sequence <= self.last_command:
            self.ignored += 1
            return []
        self.last_command = command.command_sequence
        self.commands.append(command)
        if command.HasField("new_order"):
            order = command.new_order
            self.open[order.order_id] = order
            return [self.report(order.order_id, report) for report in self.react(order)]
        if command.HasField("replace"):
            return [self.report(command.replace.order_id, report) for report in self.on_replace(command)]
        return [self.cancel(command.cancel.order_id)]

    def cancel(self, order_id: str) -> routing.VenueReport:
        if order_id in self.open:
            reason = error_pb2.ERROR_REASON_CANCELED_ON_REQUEST
            return self.report(order_id, routing.VenueReport(type=routing.VENUE_REPORT_TYPE_CANCELED, reason=reason))
        reason = error_pb2.ERROR_REASON_UNKNOWN_ORDER
        return self.report(order_id, routing.VenueReport(type=routing.VENUE_REPORT_TYPE_CANCEL_REJECTED, reason=reason))

    def report(self, order_id: str, report: routing.VenueReport) -> routing.VenueReport:
        report.connection_id = CONNECTION
        report.sequence = len(self.reports) + 1
        report.order_id = order_id
        report.venue_order_id = f"v-{order_id[-8:]}"
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        report.venue_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
        if report.type == routing.VENUE_REPORT_TYPE_TRADE:
            report.venue_execution_id = f"x-{report.sequence}"
        self.reports.append(report)
        self._close(order_id, report)
        return report

    def _close(self, order_id: str, report: routing.VenueReport) -> None:
        order = self.open.get(order_id)
        if order is None:
            return
        filled = report.type == routing.VENUE_REPORT_TYPE_TRADE and Decimal(report.cumulative_quantity) >= Decimal(
            order.quantity
        )
        ended = report.type in (
            routing.VENUE_REPORT_TYPE_CANCELED,
            routing.VENUE_REPORT_TYPE_REJECTED,
            routing.VENUE_REPORT_TYPE_EXPIRED,
        )
        if filled or ended:
            del self.open[order_id]

    def told(self) -> list[str]:
        """Returns the ids of the orders that it was told to place, warm-ups included."""
        return [command.new_order.order_id for command in self.commands if command.HasField("new_order")]

    def lose_history(self) -> None:
        self.epoch = str(uuid.uuid4())
        self.last_command = 0
        self.reports.clear()
        self.open.clear()
