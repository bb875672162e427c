"""Names of topics, keys and ids."""

from __future__ import annotations

from ordermesh.event.v1 import event_pb2
from services.bus.topics import NAME_OF_TOPIC, TOPIC_OF_NAME, entry_id, sequence_of, stream_key


def test_topics_are_named_after_the_contract() -> None:
    """Lower case with dots; the value that is never sent has no name."""
    assert NAME_OF_TOPIC[event_pb2.TOPIC_ORDER_PLACED] == "order.placed"
    assert NAME_OF_TOPIC[event_pb2.TOPIC_RISK_LIMIT_EXCEEDED] == "risk.limit.exceeded"
    assert event_pb2.TOPIC_UNSPECIFIED not in NAME_OF_TOPIC
    assert {TOPIC_OF_NAME[name]: name for name in TOPIC_OF_NAME} == NAME_OF_TOPIC


def test_keys_of_a_shard_share_a_hash_tag() -> None:
    """So that a cluster keeps a shard's streams in one node."""
    assert stream_key(3, "order.placed") == "{ordermesh:3}:order.placed"


def test_an_entrys_id_is_the_events_sequence() -> None:
    """There and back, as text or bytes."""
    assert entry_id(17) == "17-0"
    assert sequence_of("17-0") == sequence_of(b"17-0") == 17
