"""The certificates of a mesh on one machine: who has which, how each is told, and that none of them ends."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc

from deploy.embedded.authority import Authority
from deploy.embedded.errors import DeployError, reason_of
from deploy.embedded.plan import SERVICES
from deploy.embedded.saying import say

NAMES = ("engine", "gateway", *(service.module.rpartition(".")[2] for service in SERVICES))
SUPERVISOR = "supervisor"
"""Who asks all parts whether they serve; no RPC of a contract names it."""
OPERATOR = "operator"
"""The command `ordermesh` where it calls services directly; what it may do is said by the token of who is logged in."""
OPERATORS_LIFE = dt.timedelta(days=3650)
MOST_SECONDS_BETWEEN = 60.0


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the local authority has issued."""

    authority: Authority

    @classmethod
    def at(cls, folder: Path) -> "Certificates":
        """Describe the certificates below a folder."""
        return cls(Authority(folder))

    def keep(self, *, renew: bool = False) -> None:
        """Issue what is missing or past half of its life; or all of it anew."""
        self.authority.keep((*NAMES, SUPERVISOR), renew=renew)
        if not self.authority.has_issued(self.authority.client(OPERATOR)):
            self.authority.issue_client(OPERATOR, OPERATORS_LIFE)

    async def keep_fresh(self, kept: Callable[[], None] = lambda: None) -> NoReturn:
        """Do so for ever, and then `kept` each time; whoever holds a certificate reads it again by itself.

        What cannot be issued is told, whatever the error: within a day the parts would end to know each other, unseen.
        An error of `kept` that nobody expected ends it.
        """
        while True:
            if await _tried(self.keep, Exception):
                await _tried(kept, OSError, DeployError)
            # Short waits by a clock that stands still while the machine sleeps: soon after, they are fresh again.
            await asyncio.sleep(min(MOST_SECONDS_BETWEEN, self.authority.life.total_seconds() / 8))

    def environment(self, name: str, prefix: str = "ORDERMESH_TLS") -> dict[str, str]:
        """Return the variables that tell a part its certificate."""
        return self._told(self.authority.service(name), prefix)

    def flags(self, name: str) -> tuple[str, ...]:
        """Return the flags that tell the engine the same."""
        file = self.authority.service(name)
        authority = f"--tls-authority={self.authority.certificate}"
        return f"--tls-certificate={file}", f"--tls-key={file}", authority

    def command(self) -> dict[str, str]:
        """Return the variables that tell the command `ordermesh` its own, and that of the market, for replays."""
        market = self.environment("market", "ORDERMESH_MARKET_TLS")
        return self._told(self.authority.client(OPERATOR), "ORDERMESH_TLS") | market

    def credentials(self, name: str) -> grpc.ChannelCredentials:
        """Return what a channel needs that calls as the service `name`, or as the operator."""
        file = self.authority.client(name) if name == OPERATOR else self.authority.service(name)
        own = file.read_bytes()
        return grpc.ssl_channel_credentials(self.authority.certificate.read_bytes(), own, own)

    def _told(self, file: Path, prefix: str) -> dict[str, str]:
        return {
            f"{prefix}_CERTIFICATE_FILE": str(file),
            f"{prefix}_KEY_FILE": str(file),
            f"{prefix}_AUTHORITY_FILE": str(self.authority.certificate),
        }


async def _tried(work: Callable[[], None], *told: type[Exception]) -> bool:
    """Return whether it is done. It fails loudly, but for errors that are told: there is half of a life left to try."""
    try:
        await asyncio.to_thread(work)
    except told as error:
        say(f"certificates cannot be issued now: {reason_of(error)}")
        return False
    return True
