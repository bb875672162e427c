"""The README, word by word: whoever types what it says gets what it promises."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.embedded.mesh import Mesh
from tests.fixtures.command import PATIENCE_SECONDS, Outcome, environment
from tests.fixtures.forking import REPOSITORY
from tests.fixtures.users import PASSWORD, User
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh]

GATEWAY: Final = "127.0.0.1:8080"
_TYPED: Final = re.compile(r"`(\.venv/bin/ordermesh [^`]+)`")
_ENDLESS: Final = ("--watch", "curl -sN")
"""How a command looks that goes on until it is stopped."""
_HERE: Final = ("make ",)
"""What is not tried here: it is how a mesh, this one too, is started."""


def commands(text: str) -> Iterator[str]:
    """Yields the commands of a text in their order: those that stand apart, as far as their quotes go, and in lines."""
    begun = ""
    for line in text.splitlines():
        if line.startswith("    "):
            begun += line[4:] + "\n"
            if _is_whole(begun):
                yield begun.strip()
                begun = ""
        else:
            yield from _TYPED.findall(line)


def _is_whole(command: str) -> bool:
    if command.endswith("\\\n"):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def section(title: str) -> str:
    """Returns a section of the README."""
    _, _, text = Path(REPOSITORY, "README.md").read_text(encoding="utf-8").partition(f"\n## {title}\n")
    assert text, title
    return text.partition("\n## ")[0]


async def typed(mesh: Mesh, command: str) -> Outcome:
    """Types a command, and the password where it is asked for; one that goes on is stopped once it has spoken."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command.replace(GATEWAY, mesh.address("gateway"))),
        cwd=REPOSITORY,
        env=environment(mesh),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        if any(word in command for word in _ENDLESS):
            said = await process.stdout.readline()
            os.killpg(process.pid, signal.SIGTERM)  # of a shell, what it has begun as well
            await process.communicate()
            return Outcome(0, said.decode(), "")
        out, err = await process.communicate(f"{PASSWORD}\n".encode())
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


# Some thirty commands, each a process of its own, or three.
@pytest.mark.timeout(300)
@pytest.mark.asyncio(loop_scope="session")
async def test_the_first_order_and_what_follows_work_as_written(living_mesh: Mesh) -> None:
    """Every command of it ends well and says something; those that speak JSON say nothing of an error."""
    trader = await User(living_mesh, "demo").login()

    async def priced() -> int:
        async with trader.over_rest() as rest:
            return (await rest.get("/api/v1/market-data/AAPL.XNAS")).status_code

    await eventually(priced, lambda status: status == 200)
    text = section("The first order") + section("Logging in") + section("More to try")
    tried = [command for command in commands(text) if not command.startswith(_HERE)]
    # Who has logged out is nobody; what is to be tried after that wants another login.
    assert tried[0].startswith(".venv/bin/ordermesh login ")
    asked = sorted(tried, key=lambda command: command.startswith(".venv/bin/ordermesh logout"))
    assert len(asked) > 15
    for command in asked:
        told = await typed(living_mesh, command)
        assert told.code == 0, (command, told)
        assert told.out.strip(), (command, told)
        if "curl" in command and told.out.startswith("{"):
            assert "code" not in json.loads(told.out), (command, told)
    assert not list(Path(living_mesh.local.directory / "config").rglob("*.json")), "somebody is still logged in"


def test_commands_are_found_as_a_shell_reads_them() -> None:
    """Over several lines, with a comment, and within a sentence."""
    text = "\n    a -d '{\n      \"b\": 1}'\n    c \\\n      d   # it's e\n\nThen `.venv/bin/ordermesh f`, and `g`.\n"
    assert list(commands(text)) == ["a -d '{\n  \"b\": 1}'", "c \\\n  d   # it's e", ".venv/bin/ordermesh f"]
