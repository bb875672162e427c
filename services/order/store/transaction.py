"""The one statement that a draft is committed with, and its arguments.

A statement outside of a transaction block is a transaction of its own: one round trip, where COPY needs eight for the
same. It costs Postgres no more than COPY up to some hundred rows a turn, and a fraction of it for a few.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from services.kernel.clock import from_ns
from services.order.domain.links import Links
from services.order.domain.order import Order
from services.order.domain.order_lists import ListRecord
from services.order.domain.values import ExecutionType
from services.order.pipeline.entries import Draft, Entry

_STATE: Final = ("placed_sequence", "live", "status", "accepted", "notional", "cancel_sequence", "sequence")
"""What changes of an order."""

# Rows are arrays of the tables' own types: every row is a tuple in the order of its table's columns. Of such an array
# the driver looks at each row, of a plain one at each value: with an array for each column it takes half as long again.
STATEMENT: Final = f"""
    with placed as (
        insert into orders select n.* from unnest($1::orders[]) n
    ), changed as (
        update orders o set {", ".join(f"{name} = n.{name}" for name in _STATE)}
        from unnest($2::orders[]) n where o.order_id = n.order_id
    ), moved as (
        insert into connection_cursors select n.* from unnest($3::connection_cursors[]) n
        on conflict (shard, connection_id) do update set epoch = excluded.epoch, sequence = excluded.sequence
    ), replaced as (
        insert into replaces select n.* from unnest($4::replaces[]) n
    ), listed as (
        insert into order_lists select n.* from unnest($5::order_lists[]) n
    )
    insert into events select n.* from unnest($6::events[]) n
"""
_KEPT: Final = (None,) * 6
"""What of a changed order stays as it is, between its id and its state."""
_NO_LINKS: Final = (None, None, None)
"""What an order that belongs to nothing has after its state, and a changed one keeps."""


def arguments(draft: Draft, shard: int) -> list[list[tuple[Any, ...]]]:
    """Returns the arguments that commit a draft."""
    at = from_ns(draft.at_ns)
    # As they stand at the end: something may have followed for an order in the transaction that it begins with.
    placed = [draft.orders[order.terms.order_id] for order in draft.placed]
    begun = {order.terms.order_id for order in placed}
    return [
        [_placed_row(order, shard, at) for order in placed],
        [_changed_row(order) for order in draft.orders.values() if order.terms.order_id not in begun],
        [(shard, name, *cursor) for name, cursor in draft.cursors.items()],
        [_replace_row(entry, shard) for entry in draft.entries if _asks_replace(entry)],
        [_list_row(record, shard, at) for record in draft.lists],
        [_event_row(entry, shard, at) for entry in draft.entries],
    ]


def _placed_row(order: Order, shard: int, at: datetime) -> tuple[Any, ...]:
    terms = order.terms
    return (
        terms.order_id,
        shard,
        terms.account_id,
        terms.client_order_id,
        terms.fingerprint,
        terms.instrument,
        at,
        order.placed_sequence,
        order.live,
        order.status,
        order.accepted,
        order.notional,
        order.cancel_sequence,
        order.sequence,
        *(_NO_LINKS if terms.instructions is None else _links_row(terms.instructions.links)),
    )


def _links_row(links: Links | None) -> tuple[str | None, str | None, str | None]:
    if links is None:
        return _NO_LINKS
    return links.parent_order_id or None, links.order_list_id or None, links.strategy_id or None


def _changed_row(order: Order) -> tuple[Any, ...]:
    return (
        order.terms.order_id,
        *_KEPT,
        order.placed_sequence,
        order.live,
        order.status,
        order.accepted,
        order.notional,
        order.cancel_sequence,
        order.sequence,
        *_NO_LINKS,
    )


def _asks_replace(entry: Entry) -> bool:
    # One that no venue has to be asked about is done in one step: it is told as done where it is asked for.
    type_, replace = entry.event.type, entry.event.order.replace
    if type_ is ExecutionType.REPLACED:
        return replace is not None and replace.sequence == entry.sequence
    return type_ is ExecutionType.PENDING_REPLACE


def _replace_row(entry: Entry, shard: int) -> tuple[Any, ...]:
    order = entry.event.order
    return order.terms.order_id, "" if order.replace is None else order.replace.replace_id, shard, entry.sequence


def _list_row(record: ListRecord, shard: int, at: datetime) -> tuple[Any, ...]:
    return (
        record.order_list_id,
        shard,
        record.account_id,
        record.client_order_list_id,
        record.contingency_type,
        at,
    )


def _event_row(entry: Entry, shard: int, at: datetime) -> tuple[Any, ...]:
    event = entry.event
    terms = event.order.terms
    return (
        shard,
        entry.sequence,
        entry.previous_sequence,
        entry.topic,
        terms.account_id,
        entry.account_sequence,
        terms.order_id,
        terms.instrument,
        event.type,
        at,
        _executed_at(entry, at) if event.is_fill else None,
        entry.payload,
        entry.who,
    )


def _executed_at(entry: Entry, at: datetime) -> datetime:
    report = entry.event.report
    return at if report is None or not report.venue_at_ns else from_ns(report.venue_at_ns)
