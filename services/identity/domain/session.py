"""A login that goes on, and the refresh tokens by which it does."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long sessions last.

    Attributes:
        idle: Without a refresh.
        most: However often they are refreshed.
    """

    idle: timedelta
    most: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A session.

    Attributes:
        session_id: Id, a UUIDv7.
        user_id: Whose it is.
        second_factor: Whether a second factor was given.
        address: Where it was begun.
        last_address: Where it was last refreshed.
        client: What the client called itself; may be empty.
        created_at: When it was begun.
        refreshed_at: When it was last refreshed.
        expires_at: When it ends if it is not refreshed before.
        most_at: When it ends however often it is refreshed.
        ended_at: When it was ended; None while it was not.
    """

    session_id: str
    user_id: str
    second_factor: bool
    address: str
    last_address: str
    client: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    most_at: datetime
    ended_at: datetime | None = None

    def goes_on(self, now: datetime) -> bool:
        """Tells whether it has not ended."""
        return self.ended_at is None and now < self.expires_at


class Presented(enum.Enum):
    """What comes of presenting a refresh token."""

    ROTATED = "rotated"
    REUSED = "reused"
    OVER = "over"


def begin(
    session_id: str, user_id: str, rules: SessionRules, now: datetime, *, address: str, client: str, second_factor: bool
) -> Session:
    """Returns a new session."""
    expires_at = now + min(rules.idle, rules.most)
    return Session(session_id, user_id, second_factor, address, address, client, now, now, expires_at, now + rules.most)


def present(
    session: Session, rules: SessionRules, now: datetime, *, used: bool, address: str
) -> tuple[Presented, Session]:
    """Decides about a refresh token of a session: rotated when it is the newest; a used one ends the session.

    Whoever presents a used token is not the only one who has it. Which of the two is the thief nobody can tell
    (RFC 9700, 4.14.2).
    """
    if not session.goes_on(now):
        return Presented.OVER, session
    if used:
        return Presented.REUSED, replace(session, ended_at=now)
    expires_at = min(session.most_at, now + rules.idle)
    return Presented.ROTATED, replace(session, refreshed_at=now, expires_at=expires_at, last_address=address)
