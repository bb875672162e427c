"""How often Python looks for cycles of garbage."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 100_000
YOUNG_COLLECTIONS = 50
MIDDLE_COLLECTIONS = 100


def calm_garbage_collector() -> None:
    """Lets many objects come before cycles are looked for.

    A quote for a thousand readers makes thousands of short-lived objects and no cycles. With the usual threshold of 700
    every quote would start a search, which costs a tenth of the fan-out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, MIDDLE_COLLECTIONS)
