"""Users of the guarded mesh, and programs of others that call it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.fixtures.access_mesh import SIMULATION, limit
from tests.fixtures.users import PASSWORD
from tests.fixtures.ways import bearer

BUILT: Final = Path(__file__).resolve().parents[2] / "build" / "clients"
TRADER: Final = "demo"
PATIENCE_SECONDS: Final = 60


def built(path: str) -> str:
    """Returns the path of what `make clients` has built, and skips the test when it has not."""
    file = BUILT / path
    if not file.exists():
        pytest.skip(f"build/clients/{path} is missing: `make clients` builds it")
    return str(file)


def program(name: str) -> str:
    """Returns the path of a program of this machine, and skips the test when there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} on this machine")
    return found


@dataclass(frozen=True)
class Ended:
    """What a program did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of what it printed."""
        assert self.code == 0, (self.code, self.out[-2000:], self.err[-2000:])
        return json.loads(self.out.strip().splitlines()[-1])


async def run(*words: str, cwd: str | None = None, **variables: str) -> Ended:
    """Runs a program to its end, with further variables in its environment."""
    pipe, environment = asyncio.subprocess.PIPE, {**os.environ, **variables}
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, cwd=cwd, env=environment)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(f"{words[:4]} did not end: {out.decode()[-1000:]} {err.decode()[-1000:]}") from None
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def login(rest: httpx.AsyncClient, username: str) -> str:
    """Returns the token of a user who logs in by REST."""
    body = {"username": username, "password": PASSWORD, "environment": SIMULATION}
    answer = await rest.post("/api/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["tokens"]["access_token"])


async def new_instrument(rest: httpx.AsyncClient, admin: str) -> str:
    """Makes an instrument, in cents and single shares, and returns its name."""
    name = f"T{uuid.uuid4().hex[:10].upper()}.XTST"
    body = {"instrument": name, "asset_class": "ASSET_CLASS_EQUITY", "currency": "USD"}
    answer = await rest.post(
        "/api/v1/market-data/symbols", json={**body, "tick_size": "0.01", "lot_size": "1"}, headers=bearer(admin)
    )
    assert answer.status_code == 200, answer.text
    return name


def order(instrument: str, **changes: str) -> Mapping[str, str]:
    """Returns the JSON of a limit order of the account `demo` that rests."""
    return {**limit("demo", instrument), **changes}
