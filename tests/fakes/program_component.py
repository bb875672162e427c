"""Components whose process is `program.py`."""

import sys
from pathlib import Path

from deploy.embedded.component import Component
from deploy.embedded.errors import NotReadyError
from deploy.embedded.process import Command

PROGRAM = Path(__file__).with_name("program.py")


def program_component(
    folder: Path,
    name: str,
    *traits: str,
    needs: tuple[str, ...] = (),
    uses: tuple[str, ...] = (),
    stop_seconds: float = 10.0,
) -> Component:
    """Return a component called `name` that works in `folder`."""
    ready = folder / f"{name}.pid"

    async def forget_earlier() -> None:
        ready.unlink(missing_ok=True)

    async def probe() -> None:
        if not ready.exists():
            raise NotReadyError

    return Component(
        name=name,
        title=name.capitalize(),
        needs=needs,
        uses=uses,
        command=Command(
            arguments=(sys.executable, "-IS", str(PROGRAM), str(folder), name, *traits),
            log=folder / "logs" / f"{name}.log",
            directory=folder,
            stop_seconds=stop_seconds,
        ),
        prepare=forget_earlier,
        probe=probe,
    )


def journal(folder: Path) -> list[str]:
    """Return what the programs of `folder` did, in order."""
    return (folder / "journal").read_text().splitlines()


def process_id(folder: Path, name: str) -> int:
    """Return the id of the process that last served as `name`."""
    return int((folder / f"{name}.pid").read_text())
