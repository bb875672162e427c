"""The chain: whatever of it is changed, moved, left out or cut off is found, at the first record that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.audit_chain import BEFORE_ALL, FaultKind, Link, LogDigest, Walk, hash_of
from services.identity.pipeline.auditing import AuditVerifier, Collector, Sealer
from services.kernel.errors import CodedError, unavailable
from tests.fakes.audit import FakeChain, FakeOrderLog, FakeSource

CONTENTS: Final = st.lists(st.binary(max_size=8), min_size=1, max_size=12)


def chain(contents: Sequence[bytes]) -> list[Link]:
    """Returns records as they are chained."""
    links: list[Link] = []
    previous = BEFORE_ALL
    for sequence, content in enumerate(contents, 1):
        previous = hash_of(previous, content)
        links.append(Link(sequence, content, previous, told_truly=True))
    return links


def walked(links: Sequence[Link]) -> Walk:
    """Returns how far a walk comes."""
    walk = Walk()
    for link in links:
        if not walk.step(link):
            break
    return walk


@given(CONTENTS)
def test_a_chain_as_it_was_written_is_good(contents: list[bytes]) -> None:
    """To its end, whatever it holds."""
    links = chain(contents)
    walk = walked(links)
    assert (walk.fault, walk.sequence, walk.hash) == (None, len(links), links[-1].hash)


@given(CONTENTS, st.data())
def test_a_changed_record_is_found(contents: list[bytes], data: st.DataObject) -> None:
    """Its content, its hash, or what it is found by: the walk ends before it."""
    links = chain(contents)
    at = data.draw(st.integers(0, len(links) - 1))
    link = links[at]
    links[at] = data.draw(
        st.sampled_from(
            (
                replace(link, content=link.content + b"!"),
                replace(link, hash=bytes(32)),
                replace(link, told_truly=False),
            )
        )
    )
    walk = walked(links)
    assert walk.fault is not None
    assert (walk.fault.sequence, walk.fault.kind, walk.sequence) == (at + 1, FaultKind.CHANGED, at)


@given(CONTENTS, st.data())
def test_a_record_that_is_gone_is_found(contents: list[bytes], data: st.DataObject) -> None:
    """By what follows it."""
    links = chain([*contents, b"last"])
    at = data.draw(st.integers(0, len(links) - 2))
    del links[at]
    walk = walked(links)
    assert walk.fault is not None
    assert (walk.fault.sequence, walk.fault.kind) == (at + 1, FaultKind.MISSING)


@given(CONTENTS, st.data())
def test_a_chain_that_goes_on_from_another_record_is_found(contents: list[bytes], data: st.DataObject) -> None:
    """Records that are exchanged, each with a hash that fits where it was, do not follow one another."""
    links = chain([b"first", *contents, b"last"])
    at = data.draw(st.integers(0, len(links) - 2))
    one, two = links[at], links[at + 1]
    links[at : at + 2] = [replace(two, sequence=one.sequence), replace(one, sequence=two.sequence)]
    walk = walked(links)
    assert walk.fault is not None
    assert walk.fault.sequence == at + 1


async def test_a_log_is_chained_once_however_often_it_is_read() -> None:
    """A collector that died before its cursor moved begins where the chain is; a service that is away is waited for."""
    source, kept = FakeSource("risk", [b"one", b"two"]), FakeChain()
    collector = Collector(source, kept, 0.01)
    assert await collector.collect() == 2
    assert await Collector(source, kept, 0.01).collect() == 0
    source.records.append(b"three")
    source.error = unavailable("SERVICE_UNAVAILABLE", "away")
    with pytest.raises(CodedError):
        await collector.collect()
    source.error = None
    assert await collector.collect() == 1
    assert [link.content for link in kept.chained] == [b"one", b"two", b"three"]


async def test_another_log_is_read_from_its_beginning() -> None:
    """A service whose store was made anew has another epoch."""
    source, kept = FakeSource("risk", [b"one", b"two"]), FakeChain()
    collector = Collector(source, kept, 0.01)
    await collector.collect()
    source.epoch, source.records = "other", [b"new"]
    assert await collector.collect() == 1
    assert kept.chained[-1].content == b"new"


async def test_the_chain_is_sealed_when_it_has_grown() -> None:
    """And not again before it grows."""
    kept = FakeChain()
    await Collector(FakeSource("risk", [b"one"]), kept, 0.01).collect()
    sealer = Sealer(kept, 0.01)
    assert [await sealer.seal(), await sealer.seal()] == [True, False]


async def test_a_part_is_verified_from_what_was_known() -> None:
    """In parts, each from the hash of the one before; another hash than was known and a tail cut off are faults."""
    kept, log = FakeChain(), FakeOrderLog()
    await Collector(FakeSource("risk", [bytes([n]) for n in range(10)]), kept, 0.01).collect()
    await Sealer(kept, 0.01).seal()
    verifier = AuditVerifier(kept, log)
    part = await verifier.verify(0, None, 4)
    assert (part.fault, part.sequence, part.last_sequence, part.sealed_sequence) == (None, 4, 10, 10)
    rest = await verifier.verify(4, part.hash, 100)
    assert (rest.fault, rest.sequence) == (None, 10)
    forged = await verifier.verify(4, bytes(32), 100)
    assert forged.fault is not None
    assert (forged.fault.sequence, forged.fault.kind) == (4, FaultKind.CHANGED)
    del kept.chained[8:]
    cut = await verifier.verify(0, None, 100)
    assert cut.fault is not None
    assert (cut.fault.sequence, cut.fault.kind) == (9, FaultKind.MISSING)
    # Also when no more was asked for than what is left.
    cut = await verifier.verify(0, None, 8)
    assert cut.fault is not None
    assert (cut.fault.sequence, cut.fault.kind) == (9, FaultKind.MISSING)
    gone = await verifier.verify(10, None, 100)
    assert gone.fault is not None
    assert (gone.fault.sequence, gone.fault.kind) == (10, FaultKind.MISSING)


async def test_the_order_log_is_held_against_its_digests() -> None:
    """Only when that is asked for; the record that says otherwise is named."""
    kept, log = FakeChain(), FakeOrderLog()
    await Collector(FakeSource("order", [b"one", b"two"]), kept, 0.01).collect()
    kept.chained[1] = replace(kept.chained[1], digest=LogDigest(0, 0, 7, "abc", 7))
    verifier = AuditVerifier(kept, log)
    log.found = ("abc", 7)
    assert (await verifier.verify(0, None, 10, order_log=True)).fault is None
    log.found = ("abc", 6)
    assert (await verifier.verify(0, None, 10)).fault is None
    changed = (await verifier.verify(0, None, 10, order_log=True)).fault
    assert changed is not None
    assert (changed.sequence, changed.kind) == (2, FaultKind.ORDER_LOG_CHANGED)


async def test_a_part_ends_before_its_caller_gives_up() -> None:
    """Digests take their time: a call verifies as many as it can, at least one, and the next goes on after them."""
    now, kept = [0.0], FakeChain()
    await Collector(FakeSource("order", [bytes([n]) for n in range(7)]), kept, 0.01).collect()
    kept.chained[:] = [replace(link, digest=LogDigest(0, 0, 7, "abc", 7)) for link in kept.chained]

    class SlowOrderLog(FakeOrderLog):
        seconds = 0.4

        async def digest(self, told: LogDigest) -> tuple[str, int]:
            now[0] += self.seconds
            return await super().digest(told)

    log = SlowOrderLog()
    log.found = ("abc", 7)
    verifier = AuditVerifier(kept, log, lambda: now[0])
    part = await verifier.verify(0, None, 100, order_log=True)
    assert (part.fault, part.sequence, part.hash, part.last_sequence) == (None, 3, kept.chained[2].hash, 7)
    log.seconds = 10
    part = await verifier.verify(3, part.hash, 100, order_log=True)
    assert (part.fault, part.sequence) == (None, 4)
    log.seconds = 0
    assert (await verifier.verify(4, part.hash, 100, order_log=True)).sequence == 7
