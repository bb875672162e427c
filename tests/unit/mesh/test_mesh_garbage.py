"""How long a process that makes many lasting objects stands still while cycles of garbage are looked for."""

from __future__ import annotations

import gc
from typing import Any

LASTING = 1_500_000
MOST_LOOKED_AT = 400_000
"""A pass over so many takes tens of milliseconds, on a busy machine some tenths of a second."""


def test_lasting_objects_are_looked_at_some_at_a_time() -> None:
    """As many as ten thousand open streams have, and no pass over young ones takes them all."""
    looked_at: list[int] = []

    def note(phase: str, told: dict[str, Any]) -> None:
        if phase == "start" and told["generation"] == 1:
            looked_at.append(sum(len(gc.get_objects(generation)) for generation in (0, 1)))

    gc.callbacks.append(note)
    try:
        lasting: list[list[object]] = [[] for _ in range(LASTING)]
    finally:
        gc.callbacks.remove(note)
    assert len(lasting) == LASTING
    assert looked_at
    assert max(looked_at) < MOST_LOOKED_AT
