"""What IdentityService measures. Figures are read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.identity.crypto.passwords import Argon2Passwords
from services.identity.pipeline.sessions import Sessions
from services.identity.pipeline.throttling import Throttle

HASHES: Final = "ordermesh_identity_password_hashes"
HASHES_IN_HAND: Final = "ordermesh_identity_password_hashes_in_hand"
ATTEMPTS_REFUSED: Final = "ordermesh_identity_attempts_refused"
REFRESH_TOKENS_REUSED: Final = "ordermesh_identity_refresh_tokens_reused"


class IdentityMetrics(Collector):
    """Tells what passwords cost, and what looks like an attack."""

    def __init__(
        self, registry: CollectorRegistry, passwords: Argon2Passwords, throttle: Throttle, sessions: Sessions
    ) -> None:
        self._passwords, self._throttle, self._sessions = passwords, throttle, sessions
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        yield CounterMetricFamily(HASHES, "Passwords hashed.", value=self._passwords.operations)
        yield GaugeMetricFamily(
            HASHES_IN_HAND, "Passwords being hashed, or waiting for it.", value=self._passwords.in_hand
        )
        yield CounterMetricFamily(ATTEMPTS_REFUSED, "Attempts refused as too many.", value=self._throttle.refused)
        yield CounterMetricFamily(
            REFRESH_TOKENS_REUSED, "Refresh tokens presented twice, which ended their sessions.", self._sessions.reused
        )
