"""The audit as a list that a test looks at."""

from __future__ import annotations

from services.kernel.errors import unavailable
from services.mesh.audit import Change


class FakeNotes:
    """Keeps what is recorded.

    Attributes:
        broken: The store does not answer.
    """

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.broken = False

    async def note(self, *changes: Change) -> None:
        if self.broken:
            raise unavailable("STORE_UNAVAILABLE", "the store does not answer now")
        self.changes += changes
