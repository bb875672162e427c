"""The gateway's access log, kept from filling the disk: the file before it is kept, older ones are not."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.embedded.probes import http_client
from deploy.embedded.process import ROTATE_LOG_AT_BYTES
from deploy.embedded.saying import say

INTERVAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AccessLog:
    """A file that Envoy appends to."""

    path: Path
    admin_address: str
    most_bytes: int = 4 * ROTATE_LOG_AT_BYTES

    async def keep_small(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Look at the file now and then, for ever."""
        while True:
            try:
                await self.rotate()
            except OSError as error:
                say(f"the gateway's access log cannot be kept small now: {error}")
            await asyncio.sleep(interval_seconds)

    async def rotate(self) -> None:
        """Begin a new file when this one is large; ask again where one was put aside and none is begun yet."""
        before = self.path.with_name(f"{self.path.name}.1")
        if self.path.exists():
            if self.path.stat().st_size < self.most_bytes:
                return
            self.path.replace(before)
        elif not before.exists():
            return
        with suppress(httpx.HTTPError):
            # Envoy is not there, and opens a file of the name when it starts; or it is too busy to answer, and writes
            # to the one put aside until it is asked again.
            async with http_client(self.admin_address) as client:
                (await client.post("/reopen_logs")).raise_for_status()
