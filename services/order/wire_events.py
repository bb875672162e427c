"""Entries of the log as events of the bus. An execution report is wrapped as the bytes that stand in the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from ordermesh.event.v1.event_pb2 import Event
from ordermesh.event.v1.event_pb2 import Topic as TopicNumber
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.order.domain.values import Topic
from services.order.pipeline.entries import Entry, LoggedEntry
from services.order.wire import timestamp
from services.order.wire_adjustments import told_trade

TOPIC_NAMES: Final = {
    Topic.PLACED: "order.placed",
    Topic.EXECUTED: "order.executed",
    Topic.CANCELED: "order.canceled",
    Topic.TRADE: "trade.executed",
}
TOPIC_OF_NAME: Final = {name: topic for topic, name in TOPIC_NAMES.items()}

ALL: Final = tuple(Topic)

_SEQUENCE_TAG: Final = bytes([Event.SEQUENCE_FIELD_NUMBER << 3])
_PREVIOUS_TAG: Final = bytes([Event.PREVIOUS_SEQUENCE_FIELD_NUMBER << 3])
_REPORT_TAG: Final = bytes([Event.EXECUTION_REPORT_FIELD_NUMBER << 3 | 2])
_TRADE_TAG: Final = bytes([Event.TRADE_FIELD_NUMBER << 3 | 2])
_SMALL: Final = 1 << 14
_LAST: Final = tuple(bytes((n,)) if n < 1 << 7 else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(_SMALL))
"""The end of a number as protobuf writes it, seven bits a byte: its last 14 bits."""
_MORE: Final = tuple(bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(_SMALL))
"""The same bits where more come."""


class EventEncoder:
    """Makes the serialised events of the bus out of entries of one log."""

    __slots__ = ("_epoch", "_heads")

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._heads: dict[Topic, tuple[int, bytes]] = {}

    def events_of(self, entry: Entry | LoggedEntry, topics: Collection[Topic] = ALL) -> Iterator[tuple[Topic, bytes]]:
        """Yields the events that an entry stands for, one for each of its topics that is wanted."""
        topic, payload = entry.topic, entry.payload
        if topic in topics:
            yield topic, self._event(entry, topic, _REPORT_TAG, payload)
        if topic is Topic.EXECUTED and Topic.TRADE in topics:
            trade = told_trade(ExecutionReport.FromString(payload)).SerializeToString()
            yield Topic.TRADE, self._event(entry, Topic.TRADE, _TRADE_TAG, trade)

    def _event(self, entry: Entry | LoggedEntry, topic: Topic, tag: bytes, payload: bytes) -> bytes:
        """Wraps bytes of a payload as they are: the event's own fields, then the payload's tag, length and bytes."""
        numbers = _SEQUENCE_TAG + varint(entry.sequence) + _PREVIOUS_TAG + varint(entry.previous_sequence)
        return self._head(topic, entry.at_ns) + numbers + tag + varint(len(payload)) + payload

    def _head(self, topic: Topic, at_ns: int) -> bytes:
        """Returns what all events of a topic have that were committed together."""
        known = self._heads.get(topic)
        if known is not None and known[0] == at_ns:
            return known[1]
        event = Event(epoch=self._epoch, topic=TopicNumber.ValueType(topic), time=timestamp(at_ns))
        head = event.SerializeToString()
        self._heads[topic] = (at_ns, head)
        return head


def delimited(tag: bytes, payloads: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the parts of a repeated field of messages that are serialised already."""
    for payload in payloads:
        yield tag
        yield varint(len(payload))
        yield payload


def varint(value: int) -> bytes:
    """Returns a number as protobuf writes it, out of tables: an order takes a dozen of them."""
    if value < _SMALL:
        return _LAST[value]
    return _MORE[value & _SMALL - 1] + varint(value >> 14)
