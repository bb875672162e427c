"""Why an order ended: as its owner, its list or a kill switch asked, whoever carries it out, and over a restart."""

from __future__ import annotations

from decimal import Decimal

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.order.domain.applying import apply
from services.order.domain.contingency import follow_list
from services.order.domain.events import place, request_cancel, request_replace
from services.order.domain.family import follow_parent
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus, OrderType
from services.order.domain.venue import VenueReport
from services.order.domain.venue import VenueReportType as V
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.store.encoding import encode
from services.order.wire import order_message, order_of
from tests.fakes.order_desk import DeskOfOrders
from tests.fakes.orders import event, placed, report, terms

LIST_ID = "22222222-0000-7000-8000-000000000001"
HALTED = ("TRADING_HALTED", "trading is halted")
ON_REQUEST = ("CANCELED_ON_REQUEST", "canceled on request")


def why(order: Order) -> tuple[str, str]:
    return order.reason, order.text


def withdrawn() -> OrderEvent:
    """Returns the request to cancel an order that a kill switch does not let stay."""
    accepted = event(apply(placed(), report("o", V.ACCEPTED), 2, 20)).order
    return event(request_cancel(accepted, 3, 30, reason=HALTED[0], text=HALTED[1]))


def after(order: Order, *told: VenueReport) -> Order:
    """Returns an order after reports of its venue."""
    for each in told:
        order = event(apply(order, each, order.sequence + 1, 40)).order
    return order


def read_back(made: OrderEvent) -> Order:
    """Returns the order as a process that starts now loads it."""
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 41})
    draft = Draft(book, 5_000_000_000)
    draft.append(made, "execution-1")
    encode(draft)
    order = made.order
    return order_of(
        ExecutionReport.FromString(draft.entries[0].payload),
        fingerprint=b"",
        notional=order.notional,
        accepted=order.accepted,
        placed_sequence=order.placed_sequence,
        cancel_sequence=order.cancel_sequence,
        created_at_ns=order.created_at_ns,
    )


def test_an_order_at_its_venue_ends_for_the_reason_that_its_cancel_was_asked_for() -> None:
    """The venue says that it did what it was asked; fills in between change nothing of why."""
    fill = report("o", V.TRADE, quantity="40", price="10")
    canceled = report("o", V.CANCELED, reason=ON_REQUEST[0], text=ON_REQUEST[1])
    ended = after(withdrawn().order, fill, canceled)
    assert (ended.status, ended.cumulative, why(ended)) == (OrderStatus.CANCELED, 40, HALTED)
    assert order_message(ended).text == "trading is halted"


def test_an_order_whose_owner_cancels_it_ends_on_request() -> None:
    """While it is asked for there is no reason; the venue's stands."""
    asked = event(request_cancel(placed(), 2, 20)).order
    assert why(asked) == ("", "")
    assert why(after(asked, report("o", V.CANCELED, reason=ON_REQUEST[0], text=ON_REQUEST[1]))) == ON_REQUEST


def test_what_ends_an_order_before_its_cancel_does_is_its_reason() -> None:
    """A full fill has none, an end of the venue's own has its own."""
    assert why(after(withdrawn().order, report("o", V.TRADE, quantity="100", price="10"))) == ("", "")
    expired = after(withdrawn().order, report("o", V.EXPIRED, reason="TRADING_DAY_ENDED", text="day"))
    assert why(expired) == ("TRADING_DAY_ENDED", "day")


def test_a_cancel_that_the_venue_refuses_leaves_no_reason() -> None:
    """The order lives on, and is what it was."""
    refused = after(withdrawn().order, report("o", V.CANCEL_REJECTED, reason="UNKNOWN_ORDER"))
    assert (refused.status, why(refused)) == (OrderStatus.NEW, ("", ""))


def test_the_reason_survives_a_restart() -> None:
    """Each entry until the end has it, so that the newest can be read alone; a refused replace has its own."""
    asked = withdrawn()
    assert why(read_back(asked)) == HALTED
    filled = event(apply(asked.order, report("o", V.TRADE, quantity="40", price="10"), 4, 40))
    assert why(read_back(filled)) == HALTED
    wanted = ReplaceRequest("o", "r-1", Decimal(50), None)
    crossed = event(request_replace(placed(), wanted, 2, 20)).order
    crossed = event(request_cancel(crossed, 3, 30, reason=HALTED[0], text=HALTED[1])).order
    refused = event(apply(crossed, report("o", V.CANCEL_REJECTED, reason="VENUE_REJECTED", command=2), 4, 40))
    assert refused.order.status is OrderStatus.PENDING_CANCEL
    assert why(read_back(refused)) == why(refused.order)


def member(role: ListRole, type_: OrderType = OrderType.LIMIT) -> OrderTerms:
    """Returns the terms of an order of a list."""
    stop = Decimal(95) if type_ is OrderType.STOP else None
    limit = None if type_ is OrderType.STOP else "110"
    links = Links(LIST_ID, role, ordered=Decimal(100))
    return terms(type=type_, limit_price=limit, instructions=Instructions(stop_price=stop, links=links))


def test_an_order_that_its_list_ends_says_so() -> None:
    """One that is held, and one that is called back from its venue; one that its owner cancels ends on request."""
    desk, legs = DeskOfOrders(), [member(ListRole.LEG), member(ListRole.LEG, OrderType.STOP)]
    desk.place(*legs)
    limit, stop = (each.order_id for each in legs)
    desk.trigger(stop)
    desk.answer(limit, agree=True)
    assert why(desk.orders[limit]) == ("CANCELED_BY_LIST", "another order of its list was triggered")
    other, others = DeskOfOrders(), [member(ListRole.LEG), member(ListRole.LEG, OrderType.STOP)]
    other.place(*others)
    other.fill(others[0].order_id, Decimal(100))
    assert why(other.orders[others[1].order_id]) == (
        "CANCELED_BY_LIST",
        "the other orders of its list have filled their quantity",
    )
    assert not follow_list({order_id: other.orders[order_id] for order_id in (each.order_id for each in others)})
    third, held = DeskOfOrders(), member(ListRole.LEG, OrderType.STOP)
    third.place(member(ListRole.LEG), held)
    third.cancel(held.order_id)
    assert why(third.orders[held.order_id]) == ON_REQUEST


def test_a_parent_that_its_owner_cancels_ends_on_request() -> None:
    """Also when a child has to end before, and after a restart in between."""
    parent = place(terms(instructions=Instructions(works_through_children=True)), 1, 1).order
    asked = event(request_cancel(parent, 2, 2))
    assert (asked.order.status, why(asked.order)) == (OrderStatus.PENDING_CANCEL, ON_REQUEST)
    back = read_back(asked)
    assert why(back) == ON_REQUEST
    (end,) = follow_parent({parent.terms.order_id: back})
    assert (end.reason, end.text) == ON_REQUEST  # type: ignore[union-attr]  # an End: it has no children
