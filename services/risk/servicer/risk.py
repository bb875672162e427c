"""RiskService: parameters, circuit breakers, metrics, alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ordermesh.risk.v1 import risk_parameters_pb2, risk_service_pb2, risk_service_pb2_grpc, trading_state_admin_pb2
from services.kernel.clock import Clock
from services.kernel.errors import invalid_field, precondition
from services.mesh.access.accounts import caller_environment
from services.mesh.draining import Draining
from services.mesh.streams import Frames, Hub, PrivateStream, Snapshot, Source, heartbeat_seconds, resume_tokens
from services.mesh.times import span
from services.mesh.tokens import PageTokens, filters_of
from services.risk.domain.alert import Alert, AlertKind
from services.risk.domain.limits import FIRM, Parameters, firm_of
from services.risk.domain.trading import TradingState
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers, StandingCauseError
from services.risk.pipeline.metrics import metrics_of
from services.risk.pipeline.parameters import ParameterKeeper
from services.risk.pipeline.ports import AlertFilter, AlertStore
from services.risk.pipeline.trading import Trading
from services.risk.servicer.metrics import metrics_to_proto
from services.risk.wire import (
    DECIMALS,
    OTHERS,
    alert_to_proto,
    breach_to_proto,
    breaker_to_proto,
    limits_to_proto,
    parameters_to_proto,
    switch_to_proto,
)

_DEFAULT_PAGE: Final = 100
_SNAPSHOT: Final = 100

AlertStream = PrivateStream[Alert, risk_service_pb2.StreamAlertsResponse]


@dataclass(frozen=True, slots=True)
class Alerts:
    """Where alerts come from."""

    store: AlertStore
    hub: Hub[Alert]
    epoch: str


class RiskServicer(risk_service_pb2_grpc.RiskServiceServicer):
    """Serves whoever looks after risk."""

    def __init__(
        self,
        book: Book,
        parameters: ParameterKeeper,
        breakers: Breakers,
        trading: Trading,
        alerts: Alerts,
        *,
        clock: Clock,
        draining: Draining,
    ) -> None:
        self._book = book
        self._parameters = parameters
        self._breakers = breakers
        self._trading = trading
        self._alerts = alerts
        self._clock = clock
        self._draining = draining
        self._frames = Frames(risk_service_pb2.StreamAlertsResponse, clock)

    async def GetRiskParameters(
        self, request: risk_service_pb2.GetRiskParametersRequest, context: Any
    ) -> risk_service_pb2.GetRiskParametersResponse:
        """Tells parameters."""
        if request.account_id:
            await self._parameters.check_account(request.account_id)
        whose = _or_firm(request.account_id)
        return risk_service_pb2.GetRiskParametersResponse(
            parameters=parameters_to_proto(self._book.limits.parameters(whose)), effective=self._effective(whose)
        )

    async def UpdateRiskParameters(
        self, request: risk_service_pb2.UpdateRiskParametersRequest, context: Any
    ) -> risk_service_pb2.UpdateRiskParametersResponse:
        """Sets parameters."""
        after = await self._parameters.update(_parameters(request.parameters))
        return risk_service_pb2.UpdateRiskParametersResponse(
            parameters=parameters_to_proto(after), effective=self._effective(after.account_id)
        )

    async def GetCircuitBreaker(
        self, request: risk_service_pb2.GetCircuitBreakerRequest, context: Any
    ) -> risk_service_pb2.GetCircuitBreakerResponse:
        """Tells a circuit breaker."""
        await self._parameters.check_account(request.account_id)
        breaker = self._breakers.get(request.account_id)
        enabled = self._book.limits.of(request.account_id).breaker_enabled
        return risk_service_pb2.GetCircuitBreakerResponse(circuit_breaker=breaker_to_proto(breaker, enabled=enabled))

    async def ResetCircuitBreaker(
        self, request: risk_service_pb2.ResetCircuitBreakerRequest, context: Any
    ) -> risk_service_pb2.ResetCircuitBreakerResponse:
        """Closes a circuit breaker."""
        await self._parameters.check_account(request.account_id)
        try:
            breaker = await self._breakers.reset(request.account_id, request.text)
        except StandingCauseError as error:
            text = f"the circuit breaker stays open: {error.cause.text}"
            raise precondition("CIRCUIT_BREAKER_OPEN", text, breach_to_proto(error.cause)) from None
        enabled = self._book.limits.of(request.account_id).breaker_enabled
        return risk_service_pb2.ResetCircuitBreakerResponse(circuit_breaker=breaker_to_proto(breaker, enabled=enabled))

    async def EmergencyStop(
        self, request: trading_state_admin_pb2.EmergencyStopRequest, context: Any
    ) -> trading_state_admin_pb2.EmergencyStopResponse:
        """Stops trading of an account or of the firm."""
        cancels = request.cancel_open_orders or not request.HasField("cancel_open_orders")
        whose = _or_firm(request.account_id)
        stopped = await self._trading.stop(whose, TradingState(request.state), request.text, cancels=cancels)
        return trading_state_admin_pb2.EmergencyStopResponse(
            kill_switch=switch_to_proto(stopped.switch),
            effective_state=self._state(whose),
            canceled_orders=stopped.withdrawn,
        )

    async def Resume(
        self, request: trading_state_admin_pb2.ResumeRequest, context: Any
    ) -> trading_state_admin_pb2.ResumeResponse:
        """Lets an account or the firm trade again."""
        if request.account_id:
            await self._parameters.check_account(request.account_id)
        whose = _or_firm(request.account_id)
        switch = await self._trading.resume(whose, request.text)
        return trading_state_admin_pb2.ResumeResponse(
            kill_switch=switch_to_proto(switch), effective_state=self._state(whose)
        )

    async def GetTradingState(
        self, request: trading_state_admin_pb2.GetTradingStateRequest, context: Any
    ) -> trading_state_admin_pb2.GetTradingStateResponse:
        """Tells whether an account, or the firm, may trade."""
        if request.account_id:
            await self._parameters.check_account(request.account_id)
        switches = self._book.switches
        own = switch_to_proto(switches.get(request.account_id)) if request.account_id else None
        return trading_state_admin_pb2.GetTradingStateResponse(
            effective_state=self._state(_or_firm(request.account_id)),
            account=own,
            firm=switch_to_proto(switches.effective(_or_firm(""))),
        )

    async def GetRiskMetrics(
        self, request: risk_service_pb2.GetRiskMetricsRequest, context: Any
    ) -> risk_service_pb2.GetRiskMetricsResponse:
        """Tells what an account risks."""
        await self._parameters.check_account(request.account_id)
        metrics = metrics_of(self._book, self._clock, request.account_id)
        return risk_service_pb2.GetRiskMetricsResponse(metrics=metrics_to_proto(metrics), as_of=metrics.as_of)

    async def ListAlerts(
        self, request: risk_service_pb2.ListAlertsRequest, context: Any
    ) -> risk_service_pb2.ListAlertsResponse:
        """Lists alerts, newest first."""
        tokens = PageTokens(filters_of(request))
        position = tokens.read(request.page_token)
        size = request.page_size or _DEFAULT_PAGE
        since, until = span(request)
        wanted = AlertFilter(
            request.account_id,
            tuple(AlertKind(kind) for kind in request.kinds),
            since,
            until,
            int(position[0]) if position else 0,
            _or_firm(""),
        )
        as_of = self._alerts.hub.last_sequence
        found = await self._alerts.store.list_alerts(wanted, size + 1)
        token = tokens.make(str(found[size - 1].sequence)) if len(found) > size else ""
        return risk_service_pb2.ListAlertsResponse(
            alerts=[alert_to_proto(alert) for alert in found[:size]], next_page_token=token, as_of=as_of
        )

    async def StreamAlerts(
        self, request: risk_service_pb2.StreamAlertsRequest, context: Any
    ) -> AsyncIterator[risk_service_pb2.StreamAlertsResponse]:
        """Streams alerts."""
        interval = request.heartbeat_interval if request.HasField("heartbeat_interval") else None
        stream: AlertStream = PrivateStream(
            self._frames,
            self._source(request.account_id),
            resume_tokens(self._alerts.epoch, filters_of(request)),
            self._draining,
            heartbeat_seconds=heartbeat_seconds(interval),
        )
        async for message in stream.run(request.resume_token):
            yield message

    def _state(self, account_id: str) -> Any:
        return self._book.switches.effective(account_id).state.value

    def _effective(self, account_id: str) -> risk_parameters_pb2.RiskParameters:
        return limits_to_proto(account_id, self._book.limits.of(account_id))

    def _source(self, account_id: str) -> Source[Alert, risk_service_pb2.StreamAlertsResponse]:
        store, hub, firm = self._alerts.store, self._alerts.hub, _or_firm("")

        def accepts(alert: Alert) -> bool:
            return alert.account_id in (FIRM, firm, account_id)

        async def snapshot() -> Snapshot[risk_service_pb2.StreamAlertsResponse]:
            sequence = hub.last_sequence
            newest = await store.list_alerts(
                AlertFilter(account_id, before_sequence=sequence + 1, firm=firm), _SNAPSHOT
            )
            chunk = risk_service_pb2.AlertSnapshot(alerts=[alert_to_proto(alert) for alert in reversed(newest)])
            chunks = [risk_service_pb2.StreamAlertsResponse(snapshot=chunk)] if newest else []
            return Snapshot(sequence, chunks, len(newest))

        async def read_after(sequence: int, limit: int) -> tuple[Sequence[Alert], int]:
            alerts = await store.alerts_after(sequence, limit)
            reached = alerts[-1].sequence if alerts else sequence
            return [alert for alert in alerts if not account_id or accepts(alert)], reached

        return Source(hub, accepts if account_id else None, snapshot, read_after, _update)


def _or_firm(account_id: str) -> str:
    """Returns the account that is named; without one, the firm in the environment of the caller."""
    return account_id or firm_of(caller_environment())


def _update(alerts: Sequence[Alert], token: str) -> risk_service_pb2.StreamAlertsResponse:
    told = [alert_to_proto(alert) for alert in alerts]
    return risk_service_pb2.StreamAlertsResponse(update=risk_service_pb2.AlertUpdate(alerts=told, resume_token=token))


def _parameters(told: risk_parameters_pb2.RiskParameters) -> Parameters:
    """Returns parameters to set; an empty decimal is one that is not set.

    Raises:
        CodedError: INVALID_FIELD, when none of the firm is set: an empty request would take every limit off at once.
    """
    values: dict[str, Any] = {name: Decimal(text) for name in DECIMALS if (text := getattr(told, name))}
    values |= {name: getattr(told, name) for name in OTHERS if told.HasField(name)}
    if not told.account_id and not values:
        raise invalid_field("parameters", "must set something for the firm; a limit is taken off by setting it to 0")
    return Parameters(_or_firm(told.account_id), version=told.version, **values)
