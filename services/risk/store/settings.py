"""Parameters, circuit breakers and kill switches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from ordermesh.type.v1 import risk_breach_pb2
from services.mesh.audit import Change, Origin
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Parameters, environment_of, is_firm
from services.risk.domain.trading import KillSwitch, TradingState
from services.risk.pipeline.ports import SwitchSet
from services.risk.wire import DECIMALS, OTHERS, breach_from_proto, breach_to_proto
from services.storage.audit_log import AuditTrail
from services.storage.database import Database

_COLUMNS: Final = (*DECIMALS, *OTHERS)
_SELECT: Final = f"select account_id, {', '.join(_COLUMNS)}, version, updated_at from parameters"
_VALUES: Final = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 4))
_INSERT: Final = f"""
    insert into parameters (account_id, version, updated_at, {", ".join(_COLUMNS)}) values ({_VALUES})
    on conflict (account_id) do update set
        version = excluded.version, updated_at = excluded.updated_at,
        {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
    where parameters.version = excluded.version - 1
"""

_BREAKERS: Final = "select account_id, is_open, cause, tripped_at, reset_at, reset_text, version from breaker"
_SWITCHES: Final = "select account_id, state, cancels, text, changed_at, version from kill_switch"
_NAMED: Final = "where account_id = any($1::text[]) for update"

FIRM_ID: Final = "firm"
"""What the firm is called in the audit."""

T = TypeVar("T", Breaker, KillSwitch)
Setting = Parameters | Breaker | KillSwitch


class PostgresSettingsStore:
    """Keeps parameters, breakers and kill switches."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def load_parameters(self) -> Mapping[str, Parameters]:
        """Returns all parameters, by account.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SELECT)
        return {row["account_id"]: Parameters(**dict(row)) for row in rows}

    async def save_parameters(self, parameters: Parameters) -> bool:
        """Saves parameters if those stored are at the version before; returns whether they were.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        values = [getattr(parameters, name) for name in _COLUMNS]
        account_id = parameters.account_id
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(f"{_SELECT} where account_id = $1 for update", account_id)
            done: str = await connection.execute(
                _INSERT, account_id, parameters.version, parameters.updated_at, *values
            )
            if done != "INSERT 0 1":
                return False
            before = None if row is None else Parameters(**dict(row))
            await self._trail.note(connection, _change("risk_parameters", before, parameters))
        return True

    async def load_breakers(self) -> Mapping[str, Breaker]:
        """Returns all breakers, by account.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_BREAKERS)
        return {row[0]: _breaker(*row) for row in rows}

    async def save_breakers(self, breakers: Sequence[Breaker]) -> None:
        """Saves breakers; one that is stored at a later version stays.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as connection:
            rows = await connection.fetch(f"{_BREAKERS} {_NAMED}", [each.account_id for each in breakers])
            before = {row[0]: _breaker(*row) for row in rows}
            await connection.executemany(
                """
                insert into breaker values ($1, $2, $3, $4, $5, $6, $7)
                on conflict (account_id) do update set
                    is_open = excluded.is_open, cause = excluded.cause, tripped_at = excluded.tripped_at,
                    reset_at = excluded.reset_at, reset_text = excluded.reset_text, version = excluded.version
                where breaker.version < excluded.version
                """,
                [
                    (
                        each.account_id,
                        each.is_open,
                        breach_to_proto(each.cause).SerializeToString() if each.cause is not None else None,
                        each.tripped_at,
                        each.reset_at,
                        each.reset_text,
                        each.version,
                    )
                    for each in breakers
                ],
            )
            changes = [
                _change("circuit_breaker", before.get(each.account_id), each)
                for each in breakers
                if _newer(each, before)
            ]
            await self._trail.note(connection, *changes)

    async def load_switches(self) -> Sequence[KillSwitch]:
        """Returns all switches that were ever set.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SWITCHES)
        return [_switch(*row) for row in rows]

    async def save_switches(self, changes: Sequence[SwitchSet]) -> None:
        """Saves what switches were set to, of each in the order of its versions; one stored at a later version stays.

        Each change is recorded, though but the last of a switch is what it says now.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as connection:
            switches = [each.switch for each in changes]
            rows = await connection.fetch(f"{_SWITCHES} {_NAMED}", [each.account_id for each in switches])
            before = {row[0]: _switch(*row) for row in rows}
            await connection.executemany(
                """
                insert into kill_switch (account_id, state, cancels, text, changed_at, version)
                values ($1, $2, $3, $4, $5, $6)
                on conflict (account_id) do update set
                    state = excluded.state, cancels = excluded.cancels, text = excluded.text,
                    changed_at = excluded.changed_at, version = excluded.version
                where kill_switch.version < excluded.version
                """,
                [
                    (each.account_id, each.state.value, each.cancels, each.text, each.changed_at, each.version)
                    for each in switches
                ],
            )
            told: list[Change] = []
            for each, by in changes:
                if _newer(each, before):
                    told.append(_change("kill_switch", before.get(each.account_id), each, by))
                    before[each.account_id] = each
            await self._trail.note(connection, *told)


def _newer(each: T, before: Mapping[str, T]) -> bool:
    known = before.get(each.account_id)
    return known is None or known.version < each.version


def _change(kind: str, before: Setting | None, after: Setting, by: Origin | None = None) -> Change:
    """Returns what is recorded of a change. What is the firm's is of no account, but of the environment it holds in."""
    whose = "" if is_firm(after.account_id) else after.account_id
    environment = environment_of(after.account_id)
    return Change(kind, whose or FIRM_ID, whose, environment=environment, old=before, new=after, by=by)


def _switch(account_id: str, state: int, *rest: object) -> KillSwitch:
    return KillSwitch(account_id, TradingState(state), *rest)  # type: ignore[arg-type]  # the row's other columns


def _breaker(account_id: str, is_open: bool, cause: bytes | None, *rest: object) -> Breaker:
    told = breach_from_proto(risk_breach_pb2.RiskBreach.FromString(cause)) if cause is not None else None
    return Breaker(account_id, is_open, told, *rest)  # type: ignore[arg-type]  # the row's other columns, in this order
