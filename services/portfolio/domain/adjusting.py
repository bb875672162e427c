"""Booking what became of a fill: the position is made anew, by its fills as they are now and in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from services.kernel.decimals import EXACT, ZERO
from services.portfolio.domain.booking import Booked, Books, PositionChange
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.position import Position, cash_flow, new_position


def adjusted(booked: Sequence[Fill], fill: Fill) -> tuple[Fill, list[Fill]] | None:
    """Returns the fill as it was booked, and the position's fills as they count now.

    Args:
        booked: The position's fills as they counted until now, in the order of the log.
        fill: The fill that was canceled or corrected, as it is told now.

    Returns:
        None when the fill is not among those booked.
    """
    before = next((each for each in booked if each.trade_id == fill.trade_id), None)
    if before is None or fill.adjustment is None:
        return None
    if fill.adjustment.canceled:
        return before, [each for each in booked if each is not before]
    now = replace(before, price=fill.price, quantity=fill.quantity, fee=fill.fee)
    return before, [now if each is before else each for each in booked]


def rebuilt(account_id: str, terms: InstrumentTerms, fills: Iterable[Fill]) -> Position:
    """Returns the position that fills make, in their order."""
    position = new_position(account_id, terms)
    for fill in fills:
        position = position.after(fill)
    return position


def book_adjustment(books: Books, fill: Fill, before: Fill, made: Position, at: datetime) -> Booked:
    """Books the cancel or correction of a fill.

    Args:
        books: The state that it is booked into.
        fill: The fill as it is told now.
        before: The fill as it was booked.
        made: The position by the fills as they count now.
        at: When it is booked.
    """
    account, sequence = books.accounts[fill.account_id], books.sequence + 1
    was = books.positions[fill.account_id][fill.instrument]
    position = replace(
        made,
        order_sequence=fill.sequence,
        sequence=sequence,
        # A position of no fill at all keeps the times that it had.
        opened_at_ns=made.opened_at_ns or was.opened_at_ns,
        updated_at_ns=made.updated_at_ns or was.updated_at_ns,
    )
    canceled = fill.adjustment is None or fill.adjustment.canceled
    flow = ZERO if canceled else cash_flow(fill, position.multiplier)
    account = account.after(position.currency, EXACT.subtract(flow, cash_flow(before, position.multiplier)), at)
    change = PositionChange(
        sequence=sequence,
        account_sequence=account.change_count,
        position=position,
        fill=fill,
        realised_profit=EXACT.subtract(position.realised_profit, was.realised_profit),
        cash=account.balance(position.currency).amount,
        fee_difference=EXACT.subtract(position.fees, was.fees),
    )
    return Booked(at, [change], {fill.account_id: account}, {(fill.account_id, fill.instrument): position})
