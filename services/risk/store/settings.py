"""Parameters, circuit breakers and kill switches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ordermesh.type.v1 import risk_breach_pb2
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Parameters
from services.risk.domain.trading import KillSwitch, TradingState
from services.risk.wire import DECIMALS, OTHERS, breach_from_proto, breach_to_proto
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


class PostgresSettingsStore:
    """Keeps parameters, breakers and kill switches."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        async with self._database.transaction() as connection:
            done: str = await connection.execute(
                _INSERT, parameters.account_id, parameters.version, parameters.updated_at, *values
            )
        return done == "INSERT 0 1"

    async def load_breakers(self) -> Mapping[str, Breaker]:
        """Returns all breakers, by account.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "select account_id, is_open, cause, tripped_at, reset_at, reset_text, version from breaker"
            )
        return {row[0]: _breaker(*row) for row in rows}

    async def save_breakers(self, breakers: Sequence[Breaker]) -> None:
        """Saves breakers; one that is stored at a later version stays.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as connection:
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

    async def load_switches(self) -> Sequence[KillSwitch]:
        """Returns all switches that were ever set.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "select account_id, state, cancels, text, changed_at, version from kill_switch"
            )
        return [KillSwitch(account_id, TradingState(state), *rest) for account_id, state, *rest in rows]

    async def save_switches(self, switches: Sequence[KillSwitch]) -> None:
        """Saves switches; one that is stored at a later version stays.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as connection:
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


def _breaker(account_id: str, is_open: bool, cause: bytes | None, *rest: object) -> Breaker:
    told = breach_from_proto(risk_breach_pb2.RiskBreach.FromString(cause)) if cause is not None else None
    return Breaker(account_id, is_open, told, *rest)  # type: ignore[arg-type]  # the row's other columns, in this order
