"""Domain values and the contract's messages: the same numbers, the same content."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.broker.v1 import routing_service_pb2
from ordermesh.event.v1 import event_pb2
from ordermesh.order.v1 import execution_report_pb2, order_pb2, order_replace_pb2
from ordermesh.risk.v1 import reservation_service_pb2
from ordermesh.type.v1 import trading_pb2
from services.bus.topics import NAME_OF_TOPIC
from services.order.domain import values, venue
from services.order.domain.applying import apply
from services.order.domain.breach import RiskBreach
from services.order.domain.events import place, refuse, request_cancel, request_replace
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest, ReplaceStatus, with_terms
from services.order.peers.risk import RiskStream
from services.order.peers.risk_messages import settlement
from services.order.peers.venue_messages import outstanding, report_of
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft, LoggedEntry
from services.order.store.encoding import encode
from services.order.wire import order_message, order_of, trade_message
from services.order.wire_events import TOPIC_NAMES, EventEncoder, varint
from tests.fakes.order_store import FakeStore
from tests.fakes.orders import event, placed, report, terms


@pytest.mark.parametrize(
    ("ours", "contract"),
    [
        (values.Side, trading_pb2.Side),
        (values.OrderType, trading_pb2.OrderType),
        (values.TimeInForce, trading_pb2.TimeInForce),
        (values.OrderStatus, order_pb2.OrderStatus),
        (values.ExecutionType, execution_report_pb2.ExecutionType),
        (ReplaceStatus, order_replace_pb2.ReplaceStatus),
        (venue.VenueReportType, routing_service_pb2.VenueReportType),
    ],
)
def test_enumerations_have_the_contracts_numbers(ours: type[IntEnum], contract: Any) -> None:
    """Every member but "unspecified", by name and number."""
    prefix = contract.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    told = {v.name.removeprefix(prefix): v.number for v in contract.DESCRIPTOR.values if v.number}
    assert {member.name: int(member) for member in ours} == told


def test_topics_have_the_contracts_numbers_and_names() -> None:
    """Those of the order log."""
    assert {int(topic): name for topic, name in TOPIC_NAMES.items()} == {
        number: name for number, name in NAME_OF_TOPIC.items() if name.startswith(("order.", "trade."))
    }


class FakeChannel:
    """A channel that nobody calls."""

    def stream_stream(self, *_: object, **__: object) -> None:
        return None


def drafted(*events: OrderEvent) -> Draft:
    """Returns an encoded draft."""
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 41})
    draft = Draft(book, 5_000_000_000)
    for number, made in enumerate(events):
        draft.append(made, f"execution-{number}")
    encode(draft)
    return draft


def life() -> list[OrderEvent]:
    """Returns an order placed, accepted and filled in two parts."""
    first = place(terms(), 1, 5_000_000_000)
    made = [first]
    for sequence, told in enumerate(
        (
            report(first.order, venue.VenueReportType.ACCEPTED, sequence=1),
            report(first.order, venue.VenueReportType.TRADE, sequence=2, quantity="40", price="187.2"),
            report(first.order, venue.VenueReportType.TRADE, sequence=3, quantity="60", price="187.25"),
        ),
        2,
    ):
        made.append(event(apply(made[-1].order, told, sequence, 5_000_000_000)))
    return made


def test_a_report_tells_everything_of_its_event() -> None:
    """Terms, state, the fill, and the time of every stage, out of the parts that it is written in."""
    events = life()
    entry = drafted(*events).entries[2]
    told = execution_report_pb2.ExecutionReport.FromString(entry.payload)
    assert (told.sequence, told.account_sequence, told.version) == (3, 44, 3)
    assert (told.execution_type, told.order_status) == (3, 3)
    assert (told.quantity, told.limit_price) == ("100", "187.25")
    assert (told.last_quantity, told.last_price, told.fee) == ("40", "187.2", "0")
    assert (told.cumulative_quantity, told.leaves_quantity, told.average_price) == ("40", "60", "187.2")
    assert (told.connection_id, told.venue_order_id, told.venue_execution_id) == ("simulation", "v-1", "x-2")
    times = told.times
    stages = (times.received_at, times.venue_at, times.reported_at, times.committed_at)
    assert [stage.ToNanoseconds() for stage in stages] == [1_000, 3_000, 4_000, 5_000_000_000]


def replaced_life() -> list[OrderEvent]:
    """Returns an order whose replace is done after a fill, whose next one is refused, and whose third is on its way."""
    made = life()[:3]

    def ask(replace_id: str, quantity: str | None, price: str | None) -> None:
        request = ReplaceRequest("o", replace_id, quantity and Decimal(quantity), price and Decimal(price))  # type: ignore[arg-type]  # an empty text is never given
        asked = request_replace(made[-1].order, request, len(made) + 1, 5_000_000_000)
        assert asked is not None
        made.append(asked)

    def tell(type_: venue.VenueReportType) -> None:
        made.append(event(apply(made[-1].order, report("o", type_), len(made) + 1, 5_000_000_000)))

    ask("r-1", "80", None)
    tell(venue.VenueReportType.REPLACED)
    ask("r-2", None, "188")
    tell(venue.VenueReportType.CANCEL_REJECTED)
    ask("r-3", "90", "186.5")
    return made


def test_reports_of_a_replace_tell_original_and_new_terms() -> None:
    """Until it is done the report has the original terms as the order's own, from then on the new ones."""
    entries = drafted(*replaced_life()).entries[3:]
    told = [execution_report_pb2.ExecutionReport.FromString(entry.payload) for entry in entries]
    assert [(r.execution_type, r.order_status, r.quantity, r.leaves_quantity, r.limit_price) for r in told] == [
        (9, 9, "100", "60", "187.25"),
        (10, 3, "80", "40", "187.25"),
        (9, 9, "80", "40", "187.25"),
        (11, 3, "80", "40", "187.25"),
        (9, 9, "80", "40", "187.25"),
    ]
    first, done, _, refused, last = (report.replace for report in told)
    assert (first.replace_id, first.quantity, first.limit_price) == ("r-1", "80", "")
    assert (first.original_quantity, first.original_limit_price, first.sequence) == ("100", "187.25", 4)
    assert [r.replace_status for r in (first, done, refused, last)] == [1, 2, 3, 1]
    assert (last.quantity, last.limit_price, last.original_quantity) == ("90", "186.5", "80")


def same(one: Order, other: Order) -> bool:
    """Tells whether two states are equal in all that matters."""
    return all(getattr(one, name) == getattr(other, name) for name in Order.__slots__ if name != "terms") and all(
        getattr(one.terms, name) == getattr(other.terms, name)
        for name in (
            "order_id",
            "client_order_id",
            "account_id",
            "instrument",
            "side",
            "type",
            "quantity",
            "limit_price",
        )
    )


def test_an_order_read_back_is_what_was_written() -> None:
    """At each step of its life, and when it was refused."""
    breach = RiskBreach(1, "10", "100", "units", "too much")
    refused = refuse(terms(), 5, 5_000_000_000, reason="RISK_LIMIT_EXCEEDED", text="too much", breach=breach)
    for entry in [*drafted(*life(), refused).entries, *drafted(*replaced_life()).entries]:
        order = entry.order
        read = order_of(
            execution_report_pb2.ExecutionReport.FromString(entry.payload),
            fingerprint=order.terms.fingerprint,
            notional=order.notional,
            accepted=order.accepted,
            placed_sequence=order.placed_sequence,
            cancel_sequence=order.cancel_sequence,
            created_at_ns=order.created_at_ns,
        )
        assert same(read, order)
        assert order_message(read) == order_message(order)


def test_events_of_the_bus_are_what_protobuf_would_write() -> None:
    """A fill stands in two topics; what is read back from the log makes the same events."""
    draft = drafted(*life())
    encoder = EventEncoder("epoch")
    for entry in draft.entries:
        told = execution_report_pb2.ExecutionReport.FromString(entry.payload)
        made = [(topic, event_pb2.Event.FromString(data)) for topic, data in encoder.events_of(entry)]
        assert [topic for topic, _ in made] == (
            [values.Topic.EXECUTED, values.Topic.TRADE] if entry.event.is_fill else [values.Topic.PLACED]
        )
        for topic, message in made:
            assert (message.epoch, message.sequence, message.topic) == ("epoch", entry.sequence, topic)
            assert message.previous_sequence == entry.previous_sequence
            assert message.time.ToNanoseconds() == 5_000_000_000
            if topic is values.Topic.TRADE:
                assert message.trade == trade_message(told)
            else:
                assert message.execution_report == told
        logged = LoggedEntry(entry.sequence, entry.previous_sequence, entry.topic, entry.at_ns, entry.payload)
        assert list(encoder.events_of(logged)) == list(encoder.events_of(entry))


def test_a_settlement_out_of_bytes_is_what_protobuf_would_write() -> None:
    """The reports of the log, as they are, and the sequence."""
    payloads = [entry.payload for entry in drafted(*life()).entries]
    told = reservation_service_pb2.ReserveRequest.FromString(settlement(payloads, 9))
    assert told.settle.sequence == 9
    assert list(told.settle.reports) == [execution_report_pb2.ExecutionReport.FromString(p) for p in payloads]


@given(st.integers(0, 2**63 - 1))
def test_varints_are_protobufs(number: int) -> None:
    """Of any size."""
    field = event_pb2.Event.FromString(b"\x10" + varint(number))
    assert field.sequence == number


def test_commands_that_a_connection_has_not_seen() -> None:
    """New orders and cancels above its last, in the order of their sequences; none of other connections."""
    seen, new, elsewhere = placed(sequence=1), placed(sequence=4), placed(sequence=6)
    elsewhere.connection_id = "other"
    canceled = placed(sequence=2)
    canceled.accepted, canceled.status, canceled.cancel_sequence = True, values.OrderStatus.PENDING_CANCEL, 5
    commands = outstanding([seen, canceled, new, elsewhere], "simulation", 3)
    assert [(c.command_sequence, c.WhichOneof("command")) for c in commands] == [(4, "new_order"), (5, "cancel")]


def test_a_sync_tells_new_terms_that_are_committed_or_about_to_be() -> None:
    """Both hold the larger of old and new at risk; fills are taken off both, and what was decided holds one."""
    made = replaced_life()
    pending, decided = made[-1].order, made[-2].order
    checked = placed(sequence=9)
    book = Book(epoch="epoch")
    withdrawing: Any = None  # nothing is reserved here
    stream = RiskStream(FakeChannel(), book, FakeStore(), withdrawing)  # type: ignore[arg-type]  # nobody calls them
    book.load([pending, checked])
    stream._replacing[checked.terms.order_id] = with_terms(checked.terms, Decimal(120), Decimal(188))
    [request] = stream._sync(9)
    first, second = request.sync.reservations
    assert (first.quantity, first.replace.quantity, first.replace.order_quantity) == ("40", "50", "90")
    assert (second.quantity, second.replace.quantity, second.replace.limit_price) == ("100", "120", "188")
    stream.release_replaces([checked.terms.order_id])
    book.load([decided])
    [request] = stream._sync(9)
    assert [each.HasField("replace") for each in request.sync.reservations] == [False, False]


def test_a_replace_that_a_connection_has_not_seen() -> None:
    """It goes out with the resulting terms, between the order's other commands; one that is decided does not."""
    order = placed(sequence=2)
    made = request_replace(order, ReplaceRequest("o", "r", None, Decimal("186.5")), 4, 4)
    assert made is not None
    canceled = request_cancel(made.order, 6, 6)
    assert canceled is not None
    commands = outstanding([canceled.order], "simulation", 1)
    assert [(c.command_sequence, c.WhichOneof("command")) for c in commands] == [
        (2, "new_order"),
        (4, "replace"),
        (6, "cancel"),
    ]
    assert (commands[1].replace.quantity, commands[1].replace.limit_price) == ("100", "186.5")
    assert [c.command_sequence for c in outstanding([canceled.order], "simulation", 4)] == [6]
    decided = event(apply(canceled.order, report("o", venue.VenueReportType.REPLACED), 7, 7)).order
    assert [c.WhichOneof("command") for c in outstanding([decided], "simulation", 0)] == ["cancel"]


@pytest.mark.parametrize("changes", [{"type": 0}, {"type": 99}, {"last_price": "high"}])
def test_a_report_that_cannot_be_read_is_no_report(changes: dict[str, Any]) -> None:
    """Rather than being skipped, it is an error."""
    fields = {"type": 2, "last_price": "1", "last_quantity": "1"} | changes
    with pytest.raises(ValueError, match=r"report|number"):
        report_of(routing_service_pb2.VenueReport(**fields), 1)  # type: ignore[arg-type]  # as each case says


def test_a_report_is_read_with_all_it_says() -> None:
    """Absent numbers are None, an absent time is 0."""
    message = routing_service_pb2.VenueReport(
        connection_id="c",
        sequence=7,
        type=routing_service_pb2.VENUE_REPORT_TYPE_TRADE,
        order_id="o",
        last_price="1.5",
        last_quantity="2",
        fee="0.1",
    )
    told = report_of(message, 9)
    assert (told.connection_id, told.sequence, told.type) == ("c", 7, venue.VenueReportType.TRADE)
    assert (told.last_price, told.last_quantity, told.fee) == (Decimal("1.5"), Decimal(2), Decimal("0.1"))
    assert (told.cumulative_quantity, told.venue_at_ns, told.reported_at_ns) == (None, 0, 9)
