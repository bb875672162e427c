"""The first users of a mesh on one machine, as whoever starts it hears of them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from deploy.embedded.banner import passwords, passwords_kept
from deploy.embedded.first_users import FirstUser, FirstUsers
from deploy.embedded.local_mesh import HOME, LocalMesh
from deploy.embedded.plan import Ports
from services.identity.config import IdentitySettings
from services.identity.domain.values import Role
from services.identity.first_users_file import FirstUsersFile
from services.identity.pipeline.first_users import MadeUser

USERS = [FirstUser("admin", "admin", "aaaa-bbbb"), FirstUser("demo", "trader", "cccc-dddd")]
MADE = [MadeUser("admin", Role.ADMIN, "aaaa-bbbb"), MadeUser("demo", Role.TRADER, "cccc-dddd")]


def left(path: Path, password: str, age_seconds: int = 0) -> None:
    """Writes what IdentityService leaves."""
    path.write_text(json.dumps([{"username": "admin", "role": "admin", "password": password}]))
    os.utime(path, (1_000_000 - age_seconds,) * 2)


def test_identity_service_is_told_whom_to_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin and a trader for the account `demo`, unless the environment says otherwise; it takes the settings."""
    for variable, value in FirstUsers(tmp_path).settings({"ORDERMESH_IDENTITY_FIRST_ADMIN": "root"}).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("ORDERMESH_POSTGRES_URL", "postgresql://nowhere")
    settings = IdentitySettings()
    wishes = [(wish.username, wish.role, tuple(wish.account_ids)) for wish in settings.first_users()]
    assert wishes == [("root", Role.ADMIN, ()), ("demo", Role.TRADER, ("demo",))]
    assert settings.first_users_file == tmp_path / "first-users.json"


async def test_who_was_made_is_told_until_it_is_forgotten(tmp_path: Path) -> None:
    """What the service writes is what is read; afterwards there is nothing, and the repr never has a password."""
    first_users = FirstUsers(tmp_path)
    assert first_users.made() == []
    teller = FirstUsersFile(first_users.path)
    await teller.prepare(MADE)
    await teller.tell()
    assert first_users.made() == first_users.made() == USERS
    assert "aaaa" not in repr(USERS)
    first_users.forget()
    assert first_users.made() == []
    assert list(tmp_path.iterdir()) == []


async def test_passwords_survive_a_service_that_died_before_it_told_them(tmp_path: Path) -> None:
    """The users are there, and nobody would know their passwords."""
    first_users = FirstUsers(tmp_path)
    await FirstUsersFile(first_users.path).prepare(MADE)
    assert first_users.made() == USERS
    first_users.forget()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("told", "password"), [(True, "told"), (False, "new")])
def test_of_several_that_died_the_last_one_made_the_users(tmp_path: Path, told: bool, password: str) -> None:
    """And all died before, when one has told."""
    first_users = FirstUsers(tmp_path)
    left(first_users.path.with_name("first-users.json.7.untold"), "new")
    left(first_users.path.with_name("first-users.json.8.untold"), "old", age_seconds=60)
    if told:
        left(first_users.path, "told")
    assert [user.password for user in first_users.made()] == [password]
    assert [path.name for path in tmp_path.iterdir()] == ["first-users.json"]


def test_the_banner_tells_names_passwords_and_how_to_log_in(tmp_path: Path) -> None:
    """At the mesh that runs; where they are not shown, it says where they are."""
    mesh = LocalMesh.at(tmp_path, Ports.from_base(9000))
    text = Text.from_markup(passwords(mesh, USERS)).plain
    assert "  admin  aaaa-bbbb  admin\n  demo   cccc-dddd  trader\n" in text
    assert "  .venv/bin/ordermesh login --username demo --address 127.0.0.1:9000\n" in text
    assert "--address" not in passwords(replace(mesh, directory=HOME), USERS)
    assert str(tmp_path / "x.json") in passwords_kept(tmp_path / "x.json")
