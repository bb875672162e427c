"""The services of the mesh, as the command calls them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import typer

from ordermesh.broker.v1 import broker_service_pb2
from ordermesh.broker.v1.broker_service_pb2_grpc import BrokerServiceStub
from ordermesh.identity.v1 import audit_service_pb2, authentication_pb2, identity_service_pb2, session_pb2
from ordermesh.identity.v1.audit_service_pb2_grpc import AuditServiceStub
from ordermesh.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from ordermesh.marketdata.v1 import market_data_service_pb2
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from ordermesh.order.v1 import order_service_pb2
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.portfolio.v1 import portfolio_service_pb2
from ordermesh.portfolio.v1.portfolio_service_pb2_grpc import PortfolioServiceStub
from ordermesh.risk.v1 import risk_service_pb2
from ordermesh.risk.v1.risk_service_pb2_grpc import RiskServiceStub
from ordermesh.system.v1 import component_pb2, system_service_pb2
from ordermesh.system.v1.system_service_pb2_grpc import SystemServiceStub
from services.cli.address import AddressError, Addresses, Where, find_mesh
from services.cli.authorized import AuthorizedChannel
from services.cli.failure import ExitCode, exit_code, one_line
from services.cli.login import Login
from services.cli.output import complain
from services.cli.tokens import TokenFile, TokenFileError
from services.kernel.errors import CodedError
from services.mesh.client import Channel, Channels

if TYPE_CHECKING:
    from ordermesh.broker.v1.broker_service_pb2_grpc import BrokerServiceAsyncStub
    from ordermesh.identity.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from ordermesh.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub
    from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceAsyncStub
    from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceAsyncStub
    from ordermesh.portfolio.v1.portfolio_service_pb2_grpc import PortfolioServiceAsyncStub
    from ordermesh.risk.v1.risk_service_pb2_grpc import RiskServiceAsyncStub
    from ordermesh.system.v1.system_service_pb2_grpc import SystemServiceAsyncStub

ACCESS_TOKEN: Final = "ORDERMESH_ACCESS_TOKEN"  # noqa: S105 - a name
"""Variable that holds an access token to call with, in place of a login's."""

ComponentReport = component_pb2.ComponentReport
"""Detail of a health check that fails. Errors are unpacked by type, so that its file must be loaded."""

_AUDIT = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name
_BROKER = broker_service_pb2.DESCRIPTOR.services_by_name["BrokerService"].full_name
_IDENTITY = identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"].full_name
_ORDER = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"].full_name
_PORTFOLIO = portfolio_service_pb2.DESCRIPTOR.services_by_name["PortfolioService"].full_name
_MARKET_DATA = market_data_service_pb2.DESCRIPTOR.services_by_name["MarketDataService"].full_name
_RISK = risk_service_pb2.DESCRIPTOR.services_by_name["RiskService"].full_name
_SYSTEM = system_service_pb2.DESCRIPTOR.services_by_name["SystemService"].full_name
_PUBLIC = (_AUDIT, _BROKER, _IDENTITY, _ORDER, _PORTFOLIO, _MARKET_DATA, _RISK, _SYSTEM)


Result = TypeVar("Result")


class Mesh:
    """Stubs of the public services, called for whoever is logged in; failures are coded errors."""

    def __init__(self, addresses: Addresses, channels: Channels) -> None:
        self._addresses, self._channels = addresses, channels
        self.address = addresses.name
        self.login = Login(TokenFile.at(self.address), self._exchange, given=os.environ.get(ACCESS_TOKEN, ""))

    @property
    def identity(self) -> IdentityServiceAsyncStub:
        """IdentityService."""
        return IdentityServiceStub(self.channel("identity"))

    @property
    def audit(self) -> AuditServiceAsyncStub:
        """AuditService, which IdentityService serves."""
        return AuditServiceStub(self.channel("identity"))

    @property
    def orders(self) -> OrderServiceAsyncStub:
        """OrderService."""
        return OrderServiceStub(self.channel("order"))

    @property
    def portfolios(self) -> PortfolioServiceAsyncStub:
        """PortfolioService."""
        return PortfolioServiceStub(self.channel("portfolio"))

    @property
    def market_data(self) -> MarketDataServiceAsyncStub:
        """MarketDataService."""
        return MarketDataServiceStub(self.channel("marketdata"))

    @property
    def brokers(self) -> BrokerServiceAsyncStub:
        """BrokerService."""
        return BrokerServiceStub(self.channel("broker"))

    @property
    def risk(self) -> RiskServiceAsyncStub:
        """RiskService."""
        return RiskServiceStub(self.channel("risk"))

    @property
    def system(self) -> SystemServiceAsyncStub:
        """SystemService."""
        return SystemServiceStub(self.channel("system"))

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Channel]:
        """Calls the engine for the time of a block: as the simulated market, which it knows by its certificate."""
        channels = self._addresses.channels("market")
        try:
            yield channels.to(self._addresses.directly("engine"))
        finally:
            await channels.close()

    def channel(self, service: str) -> Channel:
        """Returns the channel to a public service, called for whoever is logged in."""
        return AuthorizedChannel(self._bare(service), self.login)

    def _bare(self, service: str) -> Channel:
        # One channel serves all services behind a gateway: the names only say which calls may be sent again.
        return self._channels.to(self._addresses.of(service), *_PUBLIC)

    async def _exchange(self, refresh_token: str) -> session_pb2.Tokens:
        stub: IdentityServiceAsyncStub = IdentityServiceStub(self._bare("identity"))
        request = authentication_pb2.RefreshTokensRequest(refresh_token=refresh_token)
        return (await stub.RefreshTokens(request)).tokens


def run(where: Where, work: Callable[[Mesh], Awaitable[int]]) -> NoReturn:
    """Does something with the mesh, and ends the command: with what it returns, or with the error in one line."""
    try:
        code = asked(where, work)
    except KeyboardInterrupt:
        code = 0  # how a watch is ended
    raise typer.Exit(code)


def asked(where: Where, work: Callable[[Mesh], Awaitable[Result]], *, logged_in: bool = True) -> Result:
    """Does something with the mesh and returns what comes of it; an error ends the command, in one line.

    Args:
        where: What `--address` and `--ca` say.
        work: What is to be done.
        logged_in: False: without the tokens that were kept.
    """
    try:
        return asyncio.run(_with_mesh(where, work, logged_in=logged_in))
    except CodedError as error:
        complain(one_line(error))
        raise typer.Exit(exit_code(error)) from None
    except AddressError as error:
        complain(str(error))
        raise typer.Exit(ExitCode.USAGE) from None
    except TokenFileError as error:
        complain(str(error))
        raise typer.Exit(ExitCode.REFUSED) from None


async def _with_mesh(where: Where, work: Callable[[Mesh], Awaitable[Result]], *, logged_in: bool) -> Result:
    addresses = find_mesh(where)
    channels = addresses.channels()
    try:
        mesh = Mesh(addresses, channels)
        if logged_in:
            await mesh.login.begin_if_possible()
        return await work(mesh)
    finally:
        await channels.close()
