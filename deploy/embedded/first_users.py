"""The users that IdentityService makes at the first start: who they shall be, and their passwords, shown once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "ORDERMESH_IDENTITY_FIRST_"
NAMES = {f"{PREFIX}ADMIN": "admin", f"{PREFIX}TRADER": "demo"}
"""Who is made unless the environment says otherwise; the trader has the account `demo`."""


@dataclass(frozen=True, slots=True)
class FirstUser:
    """A user who was made at the first start."""

    username: str
    role: str
    password: str = field(repr=False)


class FirstUsers:
    """What IdentityService has left in the run folder, readable by its owner alone, until it was shown."""

    def __init__(self, run: Path) -> None:
        """Take charge of the file in the folder `run`."""
        self.path = run / "first-users.json"

    def settings(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what IdentityService is told; names that `environment` has win, and an empty one makes nobody."""
        names = {variable: environment.get(variable, name) for variable, name in NAMES.items()}
        return {**names, f"{PREFIX}USERS_FILE": str(self.path)}

    def made(self) -> list[FirstUser]:
        """Return who was made and not shown yet; to be asked once IdentityService serves.

        A process that died while it made them has left the file under another name. Only the newest can be that of
        users who are there: with each earlier one nobody was made, or there would be no later one.
        """
        left = sorted(self._untold(), key=lambda path: path.stat().st_mtime_ns)
        if not self.path.exists() and left:
            left.pop().replace(self.path)
        for path in left:
            path.unlink()
        return [FirstUser(**entry) for entry in json.loads(self.path.read_text())] if self.path.exists() else []

    def forget(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _untold(self) -> list[Path]:
        return list(self.path.parent.glob(f"{self.path.name}.*.untold"))
