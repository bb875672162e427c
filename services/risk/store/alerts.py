"""The log of alerts, as its owner and as the bus read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ordermesh.event.v1 import event_pb2
from ordermesh.risk.v1 import risk_alert_pb2
from services.bus.relay import Published
from services.kernel.clock import to_ns
from services.mesh.streams import timestamp
from services.risk.domain.alert import Alert
from services.risk.pipeline.ports import AlertFilter
from services.risk.wire import alert_from_proto, alert_to_proto
from services.storage.database import Database

TOPIC: Final = "risk.limit.exceeded"


class PostgresAlertStore:
    """Keeps alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_alert(self) -> int:
        """Returns the sequence of the last alert, 0 when there is none.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            return int(await connection.fetchval("select coalesce(max(sequence), 0) from alert"))

    async def append_alerts(self, alerts: Sequence[Alert]) -> None:
        """Stores alerts, in one transaction.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        records = [
            (each.sequence, each.account_id, each.kind.value, each.at, alert_to_proto(each).SerializeToString())
            for each in alerts
        ]
        async with self._database.transaction() as connection:
            # An answer to a commit may have been lost: the same alerts then come again, and are there.
            await connection.executemany(
                "insert into alert values ($1, $2, $3, $4, $5) on conflict (sequence) do nothing", records
            )

    async def list_alerts(self, wanted: AlertFilter, limit: int) -> list[Alert]:
        """Returns up to a number of alerts, newest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                """
                select payload from alert
                where ($1 = '' or account_id in ($1, '', $7))
                  and (cardinality($2::smallint[]) = 0 or kind = any($2))
                  and ($3::timestamptz is null or at >= $3)
                  and ($4::timestamptz is null or at < $4)
                  and ($5::bigint = 0 or sequence < $5)
                order by sequence desc limit $6
                """,
                wanted.account_id,
                [kind.value for kind in wanted.kinds],
                wanted.since,
                wanted.until,
                wanted.before_sequence,
                limit,
                wanted.firm,
            )
        return [_alert(payload) for (payload,) in rows]

    async def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        """Returns up to a number of alerts after a sequence, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "select payload from alert where sequence > $1 order by sequence limit $2", sequence, limit
            )
        return [_alert(payload) for (payload,) in rows]

    async def epoch(self) -> str:
        """Returns the incarnation of the log.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            return str(await connection.fetchval("select epoch from alert_epoch"))


class AlertPublication:
    """The log of alerts as events of its topic."""

    def __init__(self, store: PostgresAlertStore, epoch: str) -> None:
        self._store = store
        self._epoch = epoch

    async def read_after(self, sequence: int, limit: int, topics: Sequence[str]) -> Sequence[Published]:
        """Returns committed events after a sequence; none when there are no more."""
        if topics and TOPIC not in topics:
            return []
        return [self.published(alert) for alert in await self._store.alerts_after(sequence, limit)]

    async def last_sequence(self) -> int:
        """Returns the last committed sequence."""
        return await self._store.last_alert()

    async def epoch(self) -> str:
        """Returns the incarnation of the log."""
        return self._epoch

    def published(self, alert: Alert) -> Published:
        """Returns an alert on its way to the bus."""
        return Published(TOPIC, alert.sequence, self.event(alert).SerializeToString())

    def event(self, alert: Alert) -> event_pb2.Event:
        """Returns an alert as an event. Every alert is one of the topic: the one before has the number before."""
        return event_pb2.Event(
            epoch=self._epoch,
            sequence=alert.sequence,
            previous_sequence=alert.sequence - 1,
            topic=event_pb2.TOPIC_RISK_LIMIT_EXCEEDED,
            time=timestamp(to_ns(alert.at)),
            risk_alert=alert_to_proto(alert),
        )


def _alert(payload: bytes) -> Alert:
    return alert_from_proto(risk_alert_pb2.RiskAlert.FromString(payload))
