"""Instruments in Postgres."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from services.kernel.errors import aborted
from services.kernel.instrument import InstrumentId
from services.marketdata.domain.instrument import AssetClass, Instrument, Terms, TradingStatus, unknown_instrument
from services.mesh.audit import Change
from services.storage.audit_log import AuditTrail
from services.storage.database import Database

_COLUMNS: Final = (
    "number, name, description, asset_class, currency, tick_size, lot_size, min_quantity, max_quantity,"
    " contract_multiplier, expires_at, status, version, updated_at"
)


class InstrumentTable:
    """Keeps instruments; see `InstrumentStore`."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def instruments(self) -> list[Instrument]:
        """Returns all instruments by name; raises STORE_UNAVAILABLE."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(f"select {_COLUMNS} from instrument order by name")
        return [_instrument(row) for row in rows]

    async def add(self, terms: Terms, number: int, at: datetime) -> tuple[Instrument, bool]:
        """Stores an instrument and the beginning of its history; returns the one there is, and whether it is new."""
        values = (
            number,
            str(terms.name),
            terms.description,
            int(terms.asset_class),
            terms.currency,
            terms.tick_size,
            terms.lot_size,
            terms.min_quantity,
            terms.max_quantity,
            terms.contract_multiplier,
            terms.expires_at,
            int(TradingStatus.TRADING),
            1,
            at,
        )
        places = ", ".join(f"${i}" for i in range(1, len(values) + 1))
        async with self._database.transaction() as connection:
            made = await connection.fetchrow(
                f"insert into instrument ({_COLUMNS}) values ({places})"
                f" on conflict (name) do nothing returning {_COLUMNS}",
                *values,
            )
            row = made or await connection.fetchrow(
                f"select {_COLUMNS} from instrument where name = $1", str(terms.name)
            )
            assert row is not None, "it was there a moment ago, and instruments are never removed"  # noqa: S101 - narrows the type
            await connection.execute(
                "insert into feed_cursor (instrument, position) values ($1, 0) on conflict do nothing", row["number"]
            )
            instrument = _instrument(row)
            if made is not None:
                await self._trail.note(connection, Change("instrument", instrument.name, new=instrument))
        return instrument, made is not None

    async def set_status(self, name: str, status: TradingStatus, expected_version: int, at: datetime) -> Instrument:
        """Changes the status; an instrument that has it already stays as it is.

        Raises:
            CodedError: VERSION_MISMATCH, when the version is not the expected one (0: any); STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(f"select {_COLUMNS} from instrument where name = $1 for update", name)
            if row is None:
                raise unknown_instrument(name)
            if expected_version not in (0, row["version"]):
                raise aborted("VERSION_MISMATCH", f"{name} is at version {row['version']}, not {expected_version}")
            before = after = _instrument(row)
            if before.status is not status:
                row = await connection.fetchrow(
                    "update instrument set status = $2, version = version + 1, updated_at = $3 where name = $1"
                    f" returning {_COLUMNS}",
                    name,
                    int(status),
                    at,
                )
                after = _instrument(row)
                await self._trail.note(connection, Change("instrument", name, old=before, new=after))
        return after


def _instrument(row: Any) -> Instrument:
    return Instrument(
        terms=Terms(
            name=InstrumentId.parse(row["name"]),
            description=row["description"],
            asset_class=AssetClass(row["asset_class"]),
            currency=row["currency"],
            tick_size=row["tick_size"],
            lot_size=row["lot_size"],
            min_quantity=row["min_quantity"],
            max_quantity=row["max_quantity"],
            contract_multiplier=row["contract_multiplier"],
            expires_at=row["expires_at"],
        ),
        number=row["number"],
        status=TradingStatus(row["status"]),
        version=row["version"],
        updated_at=row["updated_at"],
    )
