"""Name of the schema."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "identity"
