"""Refused calls, counted in memory and recorded now and then: what anybody may cause at will must not fill a store.

One record for each caller, RPC, account and reason, with how often and since when: soon after the first, then one for
each window in which there were more. How many there can be in a window is bounded; what is beyond is counted together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import structlog

from services.kernel.clock import Clock, from_ns
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.addresses import network_of
from services.mesh.audit import Change, Notes, Origin
from services.mesh.context import Call
from services.mesh.names import Key

_log = structlog.stdlib.get_logger(__name__)

CALL: Final = "call"
"""Kind of what is refused where it is the call itself."""
NAMED: Final = "PERMISSION_DENIED"
"""Reason where the caller has named the account; where they have not, it is that of what they asked for."""
TURN_SECONDS: Final = 2.0
"""How often what is new is recorded."""
TURNS: Final = 150
"""How many turns a window has: five minutes."""
MOST: Final = 128
"""Records of one reason in a window, but for the one of all that is beyond."""
MOST_OF_ONE: Final = 16
"""The same of one caller: whoever tries everything pushes nobody else out."""

_THROTTLED: Final = "TOO_MANY_ATTEMPTS"
_What = tuple[str, str, str, str]
_TOGETHER: Final[_What] = ("", "", "", "")


@dataclass(slots=True)
class _Counted:
    """Refusals that are told together.

    Attributes:
        change: The first of them.
        beyond: What they are besides; empty where all are alike.
        times: How many are not recorded yet.
        first_ns: When the first of those was.
        last_ns: When the last was.
        turns: How many turns it is until they are recorded.
    """

    change: Change
    beyond: str = ""
    times: int = 0
    first_ns: int = 0
    last_ns: int = 0
    turns: int = 0

    def told(self) -> Change:
        told: dict[str, object] = {"times": self.times, "first_at": from_ns(self.first_ns)}
        told["last_at"] = from_ns(self.last_ns)
        return replace(self.change, new=told | ({"of": self.beyond} if self.beyond else {}))

    def back(self, times: int, first_ns: int) -> None:
        """Takes back what could not be recorded."""
        self.times, self.first_ns, self.turns = self.times + times, first_ns, 0


class Refusals:
    """Counts what is refused: one look into a dictionary for a call that ends with an error, nothing for any other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, dict[str, dict[_What, _Counted]]] = {}

    def refused(self, call: Call, error: CodedError, account_id: str) -> None:
        """Counts a call that ended with an error, when it says that somebody went where they may not.

        Args:
            call: The call.
            error: What it ended with.
            account_id: The account that the request names, if it does.
        """
        if error.kind is ErrorKind.PERMISSION or call.unreached or error.reason == _THROTTLED:
            by = Origin.of(call)
            self.count(
                Change(
                    CALL,
                    account_id=call.unreached or account_id,
                    environment=by.environment,
                    refused=error.reason,
                    by=by,
                )
            )

    def count(self, change: Change) -> None:
        """Counts a refusal; `by` says whose."""
        by = change.by or Origin()
        subject = by.user_id or by.service or network_of(by.address)
        callers = self._held.setdefault(change.refused, {})
        what = by.rpc, change.account_id, change.entity_type, change.entity_id
        counted = callers.get(subject, {}).get(what) or self._new(callers, subject, what, change, by)
        counted.last_ns = self._clock.now_ns()
        counted.first_ns = counted.first_ns if counted.times else counted.last_ns
        counted.times += 1

    def _new(
        self, callers: dict[str, dict[_What, _Counted]], subject: str, what: _What, change: Change, by: Origin
    ) -> _Counted:
        if len(callers.get(subject, ())) >= MOST_OF_ONE:
            further = replace(by, rpc="", request_id="")
            fresh, what = _Counted(_together(change, further), "further calls"), _TOGETHER
        elif sum(map(len, callers.values())) >= MOST:
            fresh, subject, what = _Counted(_together(change, Origin()), "further callers"), "", _TOGETHER
        else:
            fresh = _Counted(change)
        return callers.setdefault(subject, {}).setdefault(what, fresh)

    async def run(self, notes: Notes) -> None:
        """Records what was counted, turn by turn; while the store is away it waits."""
        while True:
            await asyncio.sleep(TURN_SECONDS)
            try:
                await self.record(notes)
            except CodedError as error:
                _log.warning("refusals cannot be recorded now", **{Key.ERROR: str(error)})

    async def close(self, notes: Notes) -> None:
        """Records the rest; what cannot be recorded now stands in the log alone."""
        for counted in self._all():
            counted.turns = 0
        try:
            await self.record(notes)
        except CodedError as error:
            _log.warning("refusals cannot be recorded any more", **{Key.ERROR: str(error)})

    async def record(self, notes: Notes) -> None:
        """Records what is due, and begins the window of what was recorded.

        Raises:
            CodedError: STORE_UNAVAILABLE; it is recorded later.
        """
        due = [counted for counted in self._all() if self._is_due(counted)]
        taken = [(counted, counted.told(), counted.times, counted.first_ns) for counted in due if counted.times]
        self._forget()
        for counted, *_ in taken:
            counted.times, counted.turns = 0, TURNS
        try:
            await notes.note(*(change for _, change, _, _ in taken))
        except BaseException:
            for counted, _, times, first_ns in taken:
                counted.back(times, first_ns)
            raise

    def _all(self) -> Iterator[_Counted]:
        return (each for callers in self._held.values() for kinds in callers.values() for each in kinds.values())

    def _is_due(self, counted: _Counted) -> bool:
        counted.turns = max(0, counted.turns - 1)
        return counted.turns == 0

    def _forget(self) -> None:
        """Forgets what was not refused again in its window."""
        for reason, callers in list(self._held.items()):
            for subject, kinds in list(callers.items()):
                for what in [each for each, counted in kinds.items() if not (counted.turns or counted.times)]:
                    del kinds[what]
                if not kinds:
                    del callers[subject]
            if not callers:
                del self._held[reason]


def _together(change: Change, by: Origin) -> Change:
    return Change(CALL, environment=by.environment, refused=change.refused, by=by)
