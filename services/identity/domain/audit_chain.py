"""The chain of hashes over the records of all services."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field
from typing import Final

BEFORE_ALL: Final = bytes(32)
"""What the first record follows."""


class FaultKind(enum.IntEnum):
    """What may be wrong with a chain; the numbers are the contract's."""

    MISSING = 1
    CHANGED = 2
    SEAL_BROKEN = 3
    ORDER_LOG_CHANGED = 4


@dataclass(frozen=True, slots=True)
class LogDigest:
    """What a record says of a part of the order log.

    Attributes:
        shard: Shard of the log.
        after_sequence: The part begins after it.
        last_sequence: The part ends with it.
        sha256: Digest of the part, in hexadecimal digits.
        count: How many events there are in it.
        version: How the digest is made.
    """

    shard: int
    after_sequence: int
    last_sequence: int
    sha256: str
    count: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A record in its place.

    Attributes:
        sequence: The place, from 1.
        content: The record.
        hash: As stored.
        told_truly: Whether what the record is found by in the store is what it says.
        digest: What the record says of the order log; None for other records.
        readable: Whether the service had stored a record there.
    """

    sequence: int
    content: bytes
    hash: bytes
    told_truly: bool
    digest: LogDigest | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where it is first wrong."""

    sequence: int
    kind: FaultKind
    text: str


def hash_of(previous: bytes, content: bytes) -> bytes:
    """Returns the hash of a record that follows one with the previous hash."""
    return hashlib.sha256(previous + content).digest()


@dataclass(slots=True)
class Walk:
    """Verifies links one after another.

    Attributes:
        sequence: Place of the last one that is good.
        hash: Its hash.
        fault: What is wrong with the next one; None while nothing is.
        unreadable: Places of good ones that hold what their service had stored and is no record.
    """

    sequence: int = 0
    hash: bytes = BEFORE_ALL
    fault: Fault | None = None
    unreadable: list[int] = field(default_factory=list)

    def step(self, link: Link) -> bool:
        """Takes the next link; returns whether it is good."""
        expected = self.sequence + 1
        if link.sequence != expected:
            self.missing(expected)
        elif hash_of(self.hash, link.content) != link.hash:
            self._changed("the record, or that it follows the one before it, is not what its hash is of")
        elif not link.told_truly:
            self._changed("what the record is found by is not what it says")
        else:
            self.sequence, self.hash = link.sequence, link.hash
            if not link.readable:
                self.unreadable.append(link.sequence)
        return self.fault is None

    def seal(self, sealed: bytes | None) -> bool:
        """Holds the last link that is good against a seal of its place; None: the seal is not ours."""
        if sealed != self.hash:
            text = "the seal is not ours" if sealed is None else "another record was there when the chain was sealed"
            self.fault = Fault(self.sequence, FaultKind.SEAL_BROKEN, text)
        return self.fault is None

    def order_log(self, told: LogDigest, found: tuple[str, int]) -> bool:
        """Holds what the last link that is good says of the order log against digest and count of today."""
        if (told.sha256, told.count) != found:
            text = f"the events {told.after_sequence + 1} to {told.last_sequence} of shard {told.shard} were changed"
            self.fault = Fault(self.sequence, FaultKind.ORDER_LOG_CHANGED, text)
        return self.fault is None

    def missing(self, sequence: int) -> None:
        """Says that a record is not there."""
        self.fault = Fault(sequence, FaultKind.MISSING, "the record is not there")

    def _changed(self, text: str) -> None:
        self.fault = Fault(self.sequence + 1, FaultKind.CHANGED, text)
