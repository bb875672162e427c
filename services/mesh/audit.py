"""What changes state is recorded: who did it, by which call, what there was before and what there is after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Protocol, Self

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.type.v1 import access_pb2, actor_pb2, trading_pb2
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, ErrorKind
from services.kernel.identifiers import Identifiers
from services.mesh.context import Call, current_call
from services.mesh.snapshots import fill

_REQUEST_TAG: Final = bytes([actor_pb2.Actor.REQUEST_ID_FIELD_NUMBER << 3 | 2, 32])
"""Before the trace of a call, which has 32 digits."""
_UNTOLD: Final = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE, ErrorKind.INTERNAL, ErrorKind.UNKNOWN})
"""Failures that do not say whether what was asked for was done."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who does something, and by which call; to be kept where it is stored later than it is done.

    Attributes:
        user_id: The user; empty for none.
        service: The service that calls; empty for callers from outside.
        roles: Roles by which the caller may, by the contract's numbers.
        session_id: Session or API key of the caller's token.
        address: Where the call comes from.
        request_id: Trace of the call.
        rpc: Its method.
        environment: World of the user, by the contract's number; 0 for none.
    """

    user_id: str = ""
    service: str = ""
    roles: tuple[int, ...] = ()
    session_id: str = ""
    address: str = ""
    request_id: str = ""
    rpc: str = ""
    environment: int = 0

    @classmethod
    def of(cls, call: Call) -> Self:
        """Returns who makes a call."""
        caller, roles = call.caller, tuple(sorted(call.roles))
        if caller is None:
            return cls(address=call.address, request_id=call.trace_id, rpc=call.method)
        user, service = ("", caller.name) if caller.is_service else (caller.name, "")
        where = call.address, call.trace_id, call.method
        return cls(user, service, roles, caller.session_id, *where, caller.environment)

    def by_user(self, user_id: str, roles: tuple[int, ...], session_id: str = "") -> Self:
        """Returns the same call as one of a user who has proved in it who they are."""
        return replace(self, user_id=user_id, roles=roles, session_id=session_id)

    def actor(self) -> actor_pb2.Actor:
        """Returns who it is, as a message."""
        return actor_pb2.Actor(
            user_id=self.user_id,
            service=self.service,
            roles=[access_pb2.Role.ValueType(role) for role in self.roles],
            session_id=self.session_id,
            address=self.address,
            request_id=self.request_id,
        )


def origin() -> Origin | None:
    """Returns who makes the call that this task serves; None when it serves none."""
    call = current_call()
    return None if call is None else Origin.of(call)


def proven(user_id: str, roles: Iterable[int], session_id: str = "") -> Origin:
    """Returns the call that this task serves as one of a user who has just proved in it who they are."""
    return (origin() or Origin()).by_user(user_id, tuple(roles), session_id)


def actor_bytes(call: Call) -> bytes:
    """Returns who makes a call, as the bytes of a message: where there are very many, and few who make them."""
    caller = call.caller
    if caller is None:
        known = _actor("", False, frozenset(), "", call.address)
    else:
        known = _actor(caller.name, caller.is_service, call.roles, caller.session_id, call.address)
    return known + _REQUEST_TAG + call.trace_id.encode()


@lru_cache(maxsize=4096)
def _actor(name: str, is_service: bool, roles: frozenset[int], session_id: str, address: str) -> bytes:
    user, service = ("", name) if is_service else (name, "")
    return Origin(user, service, tuple(sorted(roles)), session_id, address).actor().SerializeToString()


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed, or refused.

    Attributes:
        entity_type: Kind of it, as in the contract.
        entity_id: Its id; may be empty.
        account_id: Account that it is of; empty for none.
        environment: World that it is of, by the contract's number; 0 for both, or for that of who changed the account.
        old: What there was before; None for nothing. Anything that `snapshot` takes.
        new: What there is after; None for nothing.
        refused: Reason for which it was refused; empty when it was not.
        asked: Whether it is only asked of a venue by now.
        by: Who did it; None: who makes the call that this task serves.
    """

    entity_type: str
    entity_id: str = ""
    account_id: str = ""
    environment: int = 0
    old: Any = None
    new: Any = None
    refused: str = ""
    asked: bool = False
    by: Origin | None = None


class Recorder:
    """Makes the records of a service."""

    def __init__(self, source: str, clock: Clock, identifiers: Identifiers) -> None:
        self._source, self._clock, self._identifiers = source, clock, identifiers

    def record(self, change: Change) -> bytes:
        """Returns the record of a change as it is stored. Done in no call, the service has done it by itself."""
        by = change.by or origin() or Origin(service=self._source)
        environment = change.environment or (by.environment if change.account_id else 0)
        record = audit_record_pb2.AuditRecord(
            audit_id=self._identifiers.new_id(),
            at=_stamp(self._clock.now_ns()),
            actor=by.actor(),
            rpc=by.rpc,
            entity_type=change.entity_type,
            entity_id=change.entity_id,
            account_id=change.account_id,
            environment=trading_pb2.Environment.ValueType(environment),
            outcome=_outcome(change),
            reason=change.refused,
            source=self._source,
        )
        for value, field in ((change.old, record.old_value), (change.new, record.new_value)):
            if value is not None:
                fill(field, value)
        return record.SerializeToString(deterministic=True)


class Notes(Protocol):
    """Records what is kept elsewhere than in the service's store."""

    async def note(self, *changes: Change) -> None:
        """Records changes.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...


@dataclass(slots=True)
class Answer:
    """What came of what was asked; whoever asks fills it in."""

    new: Any = None


@asynccontextmanager
async def asked(notes: Notes, change: Change) -> AsyncIterator[Answer]:
    """Records a change that a venue keeps: before it is asked for, and again what came of it, if that is known.

    Raises:
        CodedError: STORE_UNAVAILABLE. Before the block: nothing was asked. After it: it was done, and the first record
            says that it was asked.
    """
    await notes.note(replace(change, asked=True))
    answer = Answer(change.new)
    try:
        yield answer
    except CodedError as error:
        if error.kind not in _UNTOLD:
            await notes.note(replace(change, refused=error.reason))
        raise
    await notes.note(replace(change, new=answer.new))


def _outcome(change: Change) -> audit_record_pb2.AuditOutcome.ValueType:
    if change.refused:
        return audit_record_pb2.AUDIT_OUTCOME_REFUSED
    return audit_record_pb2.AUDIT_OUTCOME_ASKED if change.asked else audit_record_pb2.AUDIT_OUTCOME_DONE


def _stamp(nanoseconds: int) -> Timestamp:
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)
