"""The one error that crosses rooms and the wire: a kind, a reason of the contract, and what to do about it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

INVALID_FIELD = "INVALID_FIELD"
"""Reason of an error that names fields which break a constraint."""


class ErrorKind(enum.Enum):
    """What sort of failure it is; each maps to exactly one status of the transport."""

    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    INVALID = "invalid"
    DEADLINE = "deadline"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    PERMISSION = "permission"
    EXHAUSTED = "exhausted"
    PRECONDITION = "precondition"
    ABORTED = "aborted"
    OUT_OF_RANGE = "out_of_range"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    UNAUTHENTICATED = "unauthenticated"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request and the rule it breaks.

    Attributes:
        field: Path of the field as in the contract, such as `orders[3].limit_price`.
        description: The rule in words.
    """

    field: str
    description: str


class CodedError(Exception):
    """A failure that the caller is told about in full.

    Attributes:
        kind: Sort of failure.
        reason: UPPER_SNAKE name out of the contract's `ErrorReason`, without its prefix.
        message: One sentence for people; holds nothing secret.
        violations: Fields at fault.
        metadata: Facts that a program may want, such as the limit that was met.
        retry_after_seconds: When the same call may be sent again; None when nothing is known.
        details: Further messages for the caller, in the form that the transport carries.
        by_peer: Whether a service that was called has said it, and has told of it what there is to tell.
    """

    def __init__(
        self,
        kind: ErrorKind,
        reason: str,
        message: str,
        *,
        violations: tuple[FieldViolation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
        details: tuple[object, ...] = (),
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = reason
        self.message = message
        self.violations = violations
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.retry_after_seconds = retry_after_seconds
        self.details = details
        self.by_peer = False

    def __str__(self) -> str:
        fields = "; ".join(f"{v.field}: {v.description}" for v in self.violations)
        return f"{self.reason}: {self.message}" + (f" ({fields})" if fields else "")

    def __repr__(self) -> str:
        return f"CodedError({self.kind.name}, {self.reason!r}, {self.message!r})"


def invalid(reason: str, message: str, *violations: FieldViolation, **metadata: str) -> CodedError:
    """Returns the error for input that is wrong whatever the state of the system."""
    return CodedError(ErrorKind.INVALID, reason, message, violations=violations, metadata=metadata)


def invalid_field(field: str, description: str, *, reason: str = INVALID_FIELD) -> CodedError:
    """Returns the error for one field that breaks a rule."""
    return invalid(reason, f"{field}: {description}", FieldViolation(field, description))


def not_found(reason: str, message: str, **metadata: str) -> CodedError:
    """Returns the error for something that does not exist."""
    return CodedError(ErrorKind.NOT_FOUND, reason, message, metadata=metadata)


def already_exists(reason: str, message: str, **metadata: str) -> CodedError:
    """Returns the error for something that exists already, with other content."""
    return CodedError(ErrorKind.ALREADY_EXISTS, reason, message, metadata=metadata)


def precondition(reason: str, message: str, *details: object, **metadata: str) -> CodedError:
    """Returns the error for a call that the state of the system does not allow."""
    return CodedError(ErrorKind.PRECONDITION, reason, message, details=details, metadata=metadata)


def aborted(reason: str, message: str, **metadata: str) -> CodedError:
    """Returns the error for a call that lost a race, such as a version that has moved on."""
    return CodedError(ErrorKind.ABORTED, reason, message, metadata=metadata)


def out_of_range(reason: str, message: str, **metadata: str) -> CodedError:
    """Returns the error for a position in a sequence that can no longer, or not yet, be reached."""
    return CodedError(ErrorKind.OUT_OF_RANGE, reason, message, metadata=metadata)


def permission(reason: str, message: str, **metadata: str) -> CodedError:
    """Returns the error for a caller who may not do this."""
    return CodedError(ErrorKind.PERMISSION, reason, message, metadata=metadata)


def unauthenticated(reason: str, message: str, **metadata: str) -> CodedError:
    """Returns the error for a caller who has not proved who they are."""
    return CodedError(ErrorKind.UNAUTHENTICATED, reason, message, metadata=metadata)


def unavailable(reason: str, message: str, *, retry_after_seconds: float | None = None) -> CodedError:
    """Returns the error for something that does not answer now; the call may be sent again."""
    return CodedError(ErrorKind.UNAVAILABLE, reason, message, retry_after_seconds=retry_after_seconds)


def exhausted(reason: str, message: str, *, retry_after_seconds: float) -> CodedError:
    """Returns the error for a limit or a full queue, with the time after which to try again."""
    return CodedError(ErrorKind.EXHAUSTED, reason, message, retry_after_seconds=retry_after_seconds)


def deadline(message: str) -> CodedError:
    """Returns the error for a call that has no time left."""
    return CodedError(ErrorKind.DEADLINE, "DEADLINE_EXCEEDED", message)


def unimplemented(reason: str, message: str) -> CodedError:
    """Returns the error for something that is not offered here."""
    return CodedError(ErrorKind.UNIMPLEMENTED, reason, message)
