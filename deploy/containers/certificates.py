"""`python -m deploy.containers.certificates`: the authority of a mesh in containers, which hands out certificates.

It alone holds the authority's key. Each part finds its certificate in a folder of its own, which nothing else is
mounted into, and reads it again whenever it is replaced.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.certificates import NAMES, Certificates
from deploy.embedded.secrets import write_private

CERTIFICATE, AUTHORITY = "certificate.pem", "authority.pem"
"""What a part finds in its folder: its key and certificate in one file, and whom it believes."""
COMPLETE = "complete"
"""The file that is there while every part has its own, handed out since this process began."""


@dataclass(frozen=True, slots=True)
class HandedOut:
    """Certificates in folders of those whose they are, below `folder`."""

    certificates: Certificates
    folder: Path

    def begin(self) -> None:
        """Say that nobody has what is good now: certificates of an earlier time may have ended since."""
        (self.folder / COMPLETE).unlink(missing_ok=True)

    def hand_out(self) -> None:
        """Put into each folder what is not there yet as it is now."""
        authority = self.certificates.authority
        for name in NAMES:
            place = self.folder / name
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The authority first: who reads the certificate between the two must believe its own peers already.
            _replace(place / AUTHORITY, authority.certificate.read_text())
            _replace(place / CERTIFICATE, authority.service(name).read_text())
        _replace(self.folder / COMPLETE, "")


def _replace(path: Path, text: str) -> None:
    if not path.exists() or path.read_bytes() != text.encode():
        write_private(path, text)


async def run(handed_out: HandedOut) -> None:
    """Hand out until told to stop, or until nobody can."""
    handed_out.begin()
    keeping = asyncio.create_task(handed_out.certificates.keep_fresh(handed_out.hand_out))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, keeping.cancel)
    with suppress(asyncio.CancelledError):
        await keeping


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand out until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m deploy.containers.certificates", description=__doc__)
    parser.add_argument("--authority", type=Path, required=True, help="folder of the authority's own")
    parser.add_argument("--parts", type=Path, required=True, help="folder with a folder for each part")
    options = parser.parse_args(arguments)
    asyncio.run(run(HandedOut(Certificates.at(options.authority), options.parts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
