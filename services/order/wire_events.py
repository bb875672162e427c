"""Entries of the log as events of the bus. An execution report is wrapped as the bytes that stand in the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from ordermesh.event.v1.event_pb2 import Event
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.order.domain.values import Topic
from services.order.pipeline.entries import Entry, LoggedEntry
from services.order.wire import timestamp, trade_message

TOPIC_NAMES: Final = {
    Topic.PLACED: "order.placed",
    Topic.EXECUTED: "order.executed",
    Topic.CANCELED: "order.canceled",
    Topic.TRADE: "trade.executed",
}
TOPIC_OF_NAME: Final = {name: topic for topic, name in TOPIC_NAMES.items()}

_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80


def events_of(row: LoggedEntry | Entry, epoch: str, topics: Collection[Topic] = ()) -> Iterable[tuple[Topic, bytes]]:
    """Yields the serialised events of the bus that an entry stands for, one for each of its topics that is wanted."""
    if not topics or row.topic in topics:
        yield row.topic, _event(row, epoch, row.topic, _REPORT_TAG, row.payload)
    if row.topic is Topic.EXECUTED and (not topics or Topic.TRADE in topics):
        trade = trade_message(ExecutionReport.FromString(row.payload)).SerializeToString()
        yield Topic.TRADE, _event(row, epoch, Topic.TRADE, _TRADE_TAG, trade)


_REPORT_TAG: Final = bytes([Event.EXECUTION_REPORT_FIELD_NUMBER << 3 | 2])
_TRADE_TAG: Final = bytes([Event.TRADE_FIELD_NUMBER << 3 | 2])


def _event(row: LoggedEntry | Entry, epoch: str, topic: Topic, tag: bytes, payload: bytes) -> bytes:
    """Wraps bytes of a payload as they are: the event's own fields, then the payload's tag, length and bytes."""
    head = Event(
        epoch=epoch,
        sequence=row.sequence,
        previous_sequence=row.previous_sequence,
        topic=topic,  # type: ignore[arg-type]
        time=timestamp(row.at_ns),
    ).SerializeToString()
    return head + tag + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    """Returns a length as protobuf writes it."""
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)
