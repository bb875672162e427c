"""The mesh on one machine: its components, wired to one another by their addresses."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deploy.embedded.access_log import AccessLog
from deploy.embedded.certificates import SUPERVISOR, Certificates
from deploy.embedded.component import Component
from deploy.embedded.envoy import Envoy
from deploy.embedded.errors import DeployError
from deploy.embedded.fork_server import ForkServer
from deploy.embedded.gateway_certificate import GatewayCertificate
from deploy.embedded.plan import MOST_SHARDS, NAMES, Ports, Service, order_shards, services, with_needs
from deploy.embedded.postgres import Postgres
from deploy.embedded.probes import grpc_serves
from deploy.embedded.process import Command
from deploy.embedded.redis import Redis
from gateway.settings import fits_socket

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = REPOSITORY / "var"
"""Where the mesh of this checkout lives, and where the command `ordermesh` looks for it."""
ENGINE = REPOSITORY / "build" / "engine" / "ordermesh-engine"


@dataclass(frozen=True, slots=True)
class LocalMesh:
    """The parts `names` of the mesh, with their data, logs and run state below `directory`.

    With a fork server, services are forked by it, where that makes no difference to them.
    """

    directory: Path
    ports: Ports
    names: tuple[str, ...]
    postgres: Postgres
    redis: Redis
    settings: Mapping[str, str] = field(default_factory=dict)
    shards: int = 1
    fork_server: ForkServer | None = None

    @classmethod
    def at(
        cls,
        directory: Path,
        ports: Ports,
        names: Iterable[str] = NAMES,
        settings: Mapping[str, str] | None = None,
        shards: int = 1,
    ) -> "LocalMesh":
        """Describe a mesh of the parts `names` and all that they need, with so many shards of OrderService.

        `settings` are further environment variables for its processes; they win over the others.

        Raises:
            DeployError: a name is not that of a part, or there are more shards than ports for them.
        """
        if not 1 <= shards <= MOST_SHARDS:
            raise DeployError(f"there are 1 to {MOST_SHARDS} shards of OrderService on one machine, not {shards}")
        directory = directory.resolve()
        run, logs = directory / "run", directory / "logs"
        number = ports.numbers
        return cls(
            directory=directory,
            ports=ports,
            names=with_needs(names, shards),
            shards=shards,
            postgres=Postgres.at(
                directory / "postgres", number["postgres"], logs / "postgres.log", run / "postgres.password"
            ),
            redis=Redis.at(directory / "redis", number["redis"], logs / "redis.log", run / "redis.password"),
            settings=settings or {},
        )

    @property
    def logs(self) -> Path:
        """The folder with one log file for each process."""
        return self.directory / "logs"

    @property
    def run(self) -> Path:
        """The folder with what is true only while the mesh runs, and the passwords of its servers."""
        return self.directory / "run"

    @property
    def certificates(self) -> Certificates:
        """The certificates by which the parts know each other."""
        return Certificates.at(self.directory / "tls")

    @property
    def gateway_certificate(self) -> GatewayCertificate:
        """What the gateway shows who it is with."""
        return GatewayCertificate(self.directory / "gateway")

    @property
    def access_log(self) -> AccessLog:
        """What the gateway writes a line in for each request."""
        return AccessLog(self.logs / "gateway-access.log", self.gateway_admin)

    @property
    def gateway_admin(self) -> str:
        """Where Envoy is administered: a socket in the run folder, or a port where the path is too long for one."""
        socket = self.run / "gateway-admin.sock"
        return f"unix:{socket}" if fits_socket(socket) else self.ports.address("gateway_admin")

    def addresses(self) -> dict[str, str]:
        """Return the variables that say where every part is; no secrets.

        Services that do not run keep an address, at which nobody answers, so that the others can be told it. The
        simulated market is an extra: without it nobody looks for it.
        """
        known = (name for name in NAMES if name != "market" or name in self.names)
        told = self.ports.environment([*known, *order_shards(self.shards)])
        return told | {"ORDERMESH_GATEWAY_ADMIN_ADDRESS": self.gateway_admin}

    def environment(self) -> dict[str, str]:
        """Return the variables that every process of the mesh gets."""
        return {
            **self.addresses(),
            # Everybody proves who they are; what the environment of whoever starts it says does not count.
            "ORDERMESH_ENFORCE_ACCESS": "true",
            "ORDERMESH_POSTGRES_URL": self.postgres.url(),
            "ORDERMESH_REDIS_URL": self.redis.url,
            "ORDERMESH_BROKER_CREDENTIALS_KEY_FILE": str(self.directory / "broker" / "credentials.key"),
            "ORDERMESH_IDENTITY_SECRETS_KEY_FILE": str(self.directory / "identity" / "secrets.key"),
            "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "gen" / "python"))),
            "PYTHONUNBUFFERED": "1",
            **self.settings,
        }

    def components(self) -> list[Component]:
        """Return what the supervisor runs, in the order of the table."""
        makers: dict[str, Callable[[], Component]] = {
            "postgres": self.postgres.component,
            "redis": self.redis.component,
            "engine": self._engine,
            **{service.name: partial(self._service, service) for service in services(self.shards)},
            "gateway": self._gateway,
        }
        return [makers[name]() for name in self.names]

    def _engine(self) -> Component:
        address = self.ports.address("engine")
        return Component(
            name="engine",
            title="Matching engine",
            command=Command(
                arguments=(
                    str(ENGINE),
                    f"--listen={address}",
                    f"--journal-directory={self.directory / 'engine'}",
                    *self.certificates.flags("engine"),
                ),
                log=self.logs / "engine.log",
                directory=REPOSITORY,
                environment=self.settings,
            ),
            prepare=_require_engine,
            probe=self._probe(address),
        )

    def _service(self, service: Service) -> Component:
        return Component(
            name=service.name,
            title=service.title,
            needs=service.needs,
            uses=service.uses,
            command=Command(
                arguments=(sys.executable, "-m", service.module),
                log=self.logs / f"{service.name}.log",
                directory=REPOSITORY,
                environment=self.certificates.environment(_proved_as(service))
                | self.environment()
                | self.ports.environment_of(service.name),
                fork_server=self.fork_server,
            ),
            prepare=self._fork_server_ready,
            probe=self._probe(self.ports.address(service.name)),
        )

    async def _fork_server_ready(self) -> None:
        if self.fork_server is not None:
            await asyncio.to_thread(self.fork_server.wait_until_ready)

    def _probe(self, address: str) -> Callable[[], Awaitable[None]]:
        return partial(grpc_serves, address, partial(self.certificates.credentials, SUPERVISOR))

    def _gateway(self) -> Component:
        envoy = Envoy(
            configuration=self.run / "envoy.json",
            log=self.logs / "gateway.log",
            admin_address=self.gateway_admin,
            environment={"ORDERMESH_GATEWAY_ACCESS_LOG": str(self.access_log.path)}
            | self.environment()
            | self.certificates.environment("gateway", "ORDERMESH_GATEWAY_UPSTREAM"),
            repository=REPOSITORY,
            certificate=self.gateway_certificate,
        )
        behind = tuple(service.name for service in services(self.shards) if service.name in self.names)
        return envoy.component(needs=behind)


def _proved_as(service: Service) -> str:
    """Return the name by which a service is known to others: one for all shards of OrderService."""
    return service.module.rpartition(".")[2]


async def _require_engine() -> None:
    if not ENGINE.exists():
        raise DeployError(f"the engine is not built ({ENGINE} is missing); `make engine` builds it")
