"""The one statement that a draft is committed with, and its arguments.

A statement outside of a transaction block is a transaction of its own: one round trip, where COPY needs eight for the
same. It costs Postgres no more than COPY up to some hundred rows a turn, and a fraction of it for a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from services.kernel.clock import from_ns
from services.order.domain.links import Links
from services.order.domain.order import Order
from services.order.domain.order_lists import ListRecord
from services.order.domain.values import ExecutionType
from services.order.pipeline.entries import Draft, Entry

_PLACED: Final = {
    "order_id": "uuid",
    "account_id": "text",
    "client_order_id": "text",
    "fingerprint": "bytea",
    "instrument": "text",
    "created_at": "timestamptz",
    "placed_sequence": "bigint",
    "live": "boolean",
    "status": "smallint",
    "accepted": "boolean",
    "notional": "numeric",
    "cancel_sequence": "bigint",
    "sequence": "bigint",
    "parent_order_id": "uuid",
    "order_list_id": "uuid",
    "strategy_id": "text",
}
_CHANGED: Final = {
    "order_id": "uuid",
    "placed_sequence": "bigint",
    "live": "boolean",
    "status": "smallint",
    "accepted": "boolean",
    "notional": "numeric",
    "cancel_sequence": "bigint",
    "sequence": "bigint",
}
_CURSORS: Final = {"connection_id": "text", "epoch": "text", "sequence": "bigint"}
_REPLACES: Final = {"order_id": "uuid", "replace_id": "text", "sequence": "bigint"}
_LISTS: Final = {
    "order_list_id": "uuid",
    "client_order_list_id": "text",
    "account_id": "text",
    "contingency_type": "smallint",
    "created_at": "timestamptz",
}
_EVENTS: Final = {
    "sequence": "bigint",
    "previous_sequence": "bigint",
    "topic": "smallint",
    "account_id": "text",
    "account_sequence": "bigint",
    "order_id": "uuid",
    "instrument": "text",
    "type": "smallint",
    "at": "timestamptz",
    "executed_at": "timestamptz",
    "payload": "bytea",
}


def _statement() -> str:
    first = 2
    arrays = []
    for columns in (_PLACED, _CHANGED, _CURSORS, _REPLACES, _LISTS, _EVENTS):
        arrays.append(", ".join(f"${first + index}::{type_}[]" for index, type_ in enumerate(columns.values())))
        first += len(columns)
    placed, changed, cursors, replaces, lists, events = arrays
    assignments = ", ".join(f"{name} = n.{name}" for name in _CHANGED if name != "order_id")
    return f"""
        with placed as (
            insert into orders (shard, {", ".join(_PLACED)})
            select $1, n.* from unnest({placed}) n
        ), changed as (
            update orders o set {assignments}
            from unnest({changed}) n ({", ".join(_CHANGED)}) where o.order_id = n.order_id
        ), moved as (
            insert into connection_cursors (shard, {", ".join(_CURSORS)})
            select $1, n.* from unnest({cursors}) n
            on conflict (shard, connection_id) do update set epoch = excluded.epoch, sequence = excluded.sequence
        ), replaced as (
            insert into replaces (shard, {", ".join(_REPLACES)})
            select $1, n.* from unnest({replaces}) n
        ), listed as (
            insert into order_lists (shard, {", ".join(_LISTS)})
            select $1, n.* from unnest({lists}) n
        )
        insert into events (shard, {", ".join(_EVENTS)})
        select $1, n.* from unnest({events}) n
    """


STATEMENT: Final = _statement()
_NO_LINKS: Final = (None, None, None)


def arguments(draft: Draft, shard: int) -> list[Any]:
    """Returns the arguments that commit a draft."""
    at = from_ns(draft.at_ns)
    # As they stand at the end: something may have followed for an order in the transaction that it begins with.
    placed = [draft.orders[order.terms.order_id] for order in draft.placed]
    begun = {order.terms.order_id for order in placed}
    changed = [order for order in draft.orders.values() if order.terms.order_id not in begun]
    return [
        shard,
        *_columns((_placed_row(order, at) for order in placed), len(_PLACED)),
        *_columns((_changed_row(order) for order in changed), len(_CHANGED)),
        *_columns(((name, *cursor) for name, cursor in draft.cursors.items()), len(_CURSORS)),
        *_columns(map(_replace_row, filter(_asks_replace, draft.entries)), len(_REPLACES)),
        *_columns((_list_row(record, at) for record in draft.lists), len(_LISTS)),
        *_columns((_event_row(entry, at) for entry in draft.entries), len(_EVENTS)),
    ]


def _columns(rows: Iterable[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * count


def _placed_row(order: Order, at: datetime) -> tuple[Any, ...]:
    terms = order.terms
    return (
        terms.order_id,
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
        order.placed_sequence,
        order.live,
        order.status,
        order.accepted,
        order.notional,
        order.cancel_sequence,
        order.sequence,
    )


def _asks_replace(entry: Entry) -> bool:
    # One that no venue has to be asked about is done in one step: it is told as done where it is asked for.
    type_, replace = entry.event.type, entry.event.order.replace
    if type_ is ExecutionType.REPLACED:
        return replace is not None and replace.sequence == entry.sequence
    return type_ is ExecutionType.PENDING_REPLACE


def _replace_row(entry: Entry) -> tuple[Any, ...]:
    order = entry.event.order
    return order.terms.order_id, "" if order.replace is None else order.replace.replace_id, entry.sequence


def _list_row(record: ListRecord, at: datetime) -> tuple[Any, ...]:
    return (
        record.order_list_id,
        record.client_order_list_id,
        record.account_id,
        record.contingency_type,
        at,
    )


def _event_row(entry: Entry, at: datetime) -> tuple[Any, ...]:
    event = entry.event
    terms = event.order.terms
    return (
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
    )


def _executed_at(entry: Entry, at: datetime) -> datetime:
    report = entry.event.report
    return at if report is None or not report.venue_at_ns else from_ns(report.venue_at_ns)
