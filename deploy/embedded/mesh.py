"""A running mesh as tests and benchmarks use it: started for the time of a block, at ports of its own."""

import signal
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from deploy.embedded.certificates import OPERATOR
from deploy.embedded.fork_server import ForkServer
from deploy.embedded.local_mesh import LocalMesh
from deploy.embedded.plan import NAMES, Ports
from deploy.embedded.probes import connect
from deploy.embedded.process import tail
from deploy.embedded.supervisor import Backoff, Supervisor

# Tests kill processes on purpose and wait for them.
IMPATIENT = Backoff(first=0.05, most=1.0)


@dataclass(frozen=True, slots=True)
class Mesh:
    """A mesh that runs: where its parts are, and the means to break them."""

    local: LocalMesh
    supervisor: Supervisor

    def address(self, name: str) -> str:
        """Return `host:port` of a part, such as `order` or `gateway`."""
        return self.local.ports.address(name)

    def channel(
        self, name: str, as_: str = OPERATOR, options: Sequence[tuple[str, str | int]] = ()
    ) -> grpc.aio.Channel:
        """Return a channel to a part itself, around the gateway, with the certificate of `as_`.

        To the gateway, whose port on this machine is not encrypted, it shows none.
        """
        credentials = None if name == "gateway" else self.local.certificates.credentials(as_)
        return connect(self.address(name), credentials, options)

    @property
    def gateway_url(self) -> str:
        """The gateway's address for REST and grpc-web."""
        return f"http://{self.address('gateway')}"

    @property
    def postgres_url(self) -> str:
        """The address of the database."""
        return self.local.postgres.url()

    @property
    def redis_url(self) -> str:
        """The address of Redis."""
        return self.local.redis.url

    async def kill(self, name: str) -> None:
        """End a part's process at once (SIGKILL), and return when it is gone; it is started again by itself."""
        await self.supervisor.kill(name)

    def suspend(self, name: str) -> None:
        """Stop a part's process where it stands (SIGSTOP): it answers nobody, and its connections stay open."""
        self._send(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a suspended part go on."""
        self._send(name, signal.SIGCONT)

    def _send(self, name: str, number: signal.Signals) -> None:
        process = self.supervisor.runners[name].process
        if process is not None:
            process.send_to_group(number)

    async def until_serving(self, name: str, seconds: float = 60.0) -> None:
        """Wait until a part serves."""
        await self.supervisor.until_serving(name, seconds)

    def log_tails(self, lines: int = 30) -> dict[str, str]:
        """Return the last lines of the log of each part, whether or not its process is running now."""
        return {name: tail(runner.component.command.log, lines) for name, runner in self.supervisor.runners.items()}


@asynccontextmanager
async def running_mesh(
    directory: Path,
    names: Iterable[str] = NAMES,
    settings: Mapping[str, str] | None = None,
    ports: Ports | None = None,
    *,
    shards: int = 1,
    fork_server: ForkServer | None = None,
) -> AsyncIterator[Mesh]:
    """Run the parts `names` and what they need, with data below `directory`, for the time of a block."""
    described = LocalMesh.at(directory, ports or Ports.unused(), names, settings, shards)
    local = replace(described, fork_server=fork_server)
    async with Supervisor(local.components(), backoff=IMPATIENT, certificates=local.certificates) as supervisor:
        yield Mesh(local, supervisor)
