"""The trade of a fill is told in the same bytes, whether out of memory or out of the log."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from ordermesh.event.v1.event_pb2 import Event
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.order.domain.applying import apply
from services.order.domain.order_event import OrderEvent
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, Side, TimeInForce, Topic
from services.order.domain.venue import VenueReport, VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft, Entry, LoggedEntry
from services.order.store.encoding import encode
from services.order.wire_adjustments import told_trade
from services.order.wire_events import EventEncoder, _trade_in_memory
from tests.fakes.orders import event, placed

TEXTS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=36),
    st.sampled_from(["", "a" * 127, "a" * 128, "a" * 20_000, "Zürich", "\x00"]),
    st.text(max_size=5),
)
NUMBERS = st.decimals(Decimal("0.00000001"), Decimal(10) ** 12, places=8)
FEES = st.none() | st.just(Decimal("-0.00")) | st.decimals(-(10**6), 10**6, places=4)
TIMES = st.sampled_from([0, 1, 999_999_999, 1_000_000_000, 1_000_000_001]) | st.integers(0, 2**62)


def entry_of(made: OrderEvent, execution_id: str, before: int) -> Entry:
    """Returns the entry of an event that is committed after some others."""
    book = Book(epoch="epoch")
    book.load_accounts({made.order.terms.account_id: 3})
    book.sequence = before
    draft = Draft(book, 5_000_000_000)
    entry = draft.append(made, execution_id)
    encode(draft)
    return entry


def traded(ids: list[str], numbers: tuple[Decimal, Decimal], fee: Decimal | None, side: Side, at_ns: int) -> OrderEvent:
    """Returns the event of a fill."""
    order_id, client_order_id, account_id, instrument, connection_id, venue_execution_id = ids
    price, quantity = numbers
    order = placed(sequence=1)
    order.terms = OrderTerms(
        order_id=order_id,
        client_order_id=client_order_id,
        account_id=account_id,
        instrument=instrument,
        side=side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=quantity * 2,
        limit_price=None,
    )
    told = VenueReport(
        connection_id,
        1,
        VenueReportType.TRADE,
        order_id,
        venue_execution_id=venue_execution_id,
        last_price=price,
        last_quantity=quantity,
        fee=fee,
        venue_at_ns=at_ns,
    )
    return event(apply(order, told, 2, 5_000_000_000))


ORDINARY = ["o" * 36, "c-1", "demo", "AAPL.XNAS", "simulation", "7-1"]


@given(
    st.lists(TEXTS, min_size=6, max_size=6),
    st.tuples(NUMBERS, NUMBERS),
    FEES,
    st.sampled_from(Side),
    TIMES,
    TEXTS,
    st.integers(0, 2**40),
)
@example(ORDINARY, (Decimal("187.20"), Decimal(40)), None, Side.BUY, 3_000, "e" * 36, 7)
@example([*ORDINARY[:5], ""], (Decimal("187.20"), Decimal("1E+2")), Decimal("0.10"), Side.SELL, 0, "e", 1 << 20)
def test_a_trade_is_told_as_the_log_tells_it(
    ids: list[str],
    numbers: tuple[Decimal, Decimal],
    fee: Decimal | None,
    side: Side,
    at_ns: int,
    execution_id: str,
    before: int,
) -> None:
    """Whatever texts, numbers and times it has: empty, long, in other letters than those of ASCII, absent."""
    entry = entry_of(traded(ids, numbers, fee, side, at_ns), execution_id, before)
    encoder = EventEncoder("epoch")
    logged = LoggedEntry(entry.sequence, entry.previous_sequence, entry.topic, entry.at_ns, entry.payload)
    told = list(encoder.events_of(entry))
    assert told == list(encoder.events_of(logged))
    assert [topic for topic, _ in told] == [Topic.EXECUTED, Topic.TRADE]
    assert Event.FromString(told[1][1]).trade == told_trade(ExecutionReport.FromString(entry.payload))


def test_ordinary_trades_are_made_out_of_memory() -> None:
    """Else the comparison above would be of the log with itself."""
    made = traded(ORDINARY, (Decimal("187.20"), Decimal(40)), None, Side.BUY, 3_000)
    entry = entry_of(made, "e" * 36, 7)
    assert _trade_in_memory(entry) == told_trade(ExecutionReport.FromString(entry.payload)).SerializeToString()
