"""The name of an instrument: `SYMBOL.VENUE`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.kernel.errors import invalid_field

_SYMBOL = r"[A-Z0-9](?:[A-Z0-9_/-]{0,30}[A-Z0-9])?"
_FORM = re.compile(rf"({_SYMBOL})\.([A-Z0-9]{{2,16}})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class InstrumentId:
    """An instrument at a venue.

    Attributes:
        symbol: Such as `AAPL` or `BTC-USDT`.
        venue: ISO 10383 market identifier code where there is one, such as `XNAS`.
    """

    symbol: str
    venue: str

    @classmethod
    def parse(cls, text: str, field: str = "instrument") -> InstrumentId:
        """Returns the instrument of a string such as `AAPL.XNAS`.

        Raises:
            CodedError: INVALID_FIELD, when it is not of that form.
        """
        if (match := _FORM.fullmatch(text)) is None:
            raise invalid_field(field, "must be SYMBOL.VENUE, such as AAPL.XNAS")
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.symbol}.{self.venue}"
