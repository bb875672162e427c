"""Topics: their names, and the keys and ids they have in Redis."""

from __future__ import annotations

from typing import Final

from ordermesh.event.v1 import event_pb2

FIELD: Final = b"event"
"""Field of a stream entry that holds the serialised event."""

_PREFIX = "TOPIC_"

NAME_OF_TOPIC: Final[dict[int, str]] = {
    value.number: value.name.removeprefix(_PREFIX).lower().replace("_", ".")
    for value in event_pb2.Topic.DESCRIPTOR.values
    if value.number
}
TOPIC_OF_NAME: Final[dict[str, int]] = {name: number for number, name in NAME_OF_TOPIC.items()}


def stream_key(shard: int, topic: str) -> str:
    """Returns the key of a topic's stream; a shard's keys share a hash tag, so that they live in one node."""
    return f"{{ordermesh:{shard}}}:{topic}"


def entry_id(sequence: int) -> str:
    """Returns the id of an event's entry."""
    return f"{sequence}-0"


def sequence_of(entry: bytes | str) -> int:
    """Returns the sequence that an entry's id stands for."""
    text = entry.decode() if isinstance(entry, bytes) else entry
    return int(text.partition("-")[0])
