"""Algorithms on the command line: as options are read, and in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import algorithm_pb2, smart_routing_pb2
from services.cli import terms

_LENGTH: Final = re.compile(r"([0-9]{1,5})(s|m|h)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}


class Name(StrEnum):
    """Which algorithm."""

    TWAP = "twap"
    VWAP = "vwap"
    POV = "pov"
    SHORTFALL = "shortfall"
    SMART = "smart"


_OWN_OPTIONS: Final = {
    Name.TWAP: {"--slice"},
    Name.VWAP: {"--slice"},
    Name.POV: {"--rate"},
    Name.SHORTFALL: {"--slice", "--risk-aversion"},
    Name.SMART: {"--venue"},
}
"""Options that not every algorithm has."""


class Style(StrEnum):
    """How its children are priced."""

    PASSIVE = "passive"
    NEUTRAL = "neutral"
    AGGRESSIVE = "aggressive"


Algorithm = Annotated[Name | None, typer.Option("--algorithm", help="Works the order over time; needs --end.")]
End = Annotated[
    str, typer.Option("--end", metavar="TIME", help="When the algorithm ends: such as 90s, 10m, 2h, or a time.")
]
Start = Annotated[str, typer.Option("--start", metavar="TIME", help="When it begins; default: at once.")]
Slice = Annotated[str, typer.Option("--slice", metavar="LENGTH", help="Length of its slices, such as 30s.")]
StyleOption = Annotated[
    Style | None, typer.Option("--style", help="How its child orders are priced. Default: neutral; smart: aggressive.")
]
Venue = Annotated[
    list[str] | None, typer.Option("--venue", metavar="VENUE", help="smart: only there; may be given again.")
]
Rate = Annotated[str, typer.Option("--rate", metavar="PART", help="pov: part of the volume, such as 0.1.")]
MaxParticipation = Annotated[
    str, typer.Option("--max-participation", metavar="PART", help="The most that it may be of the volume.")
]
RiskAversion = Annotated[
    str, typer.Option("--risk-aversion", metavar="NUMBER", help="shortfall: such as 0.000001; 0 is the even schedule.")
]
CrossAtEnd = Annotated[bool, typer.Option("--cross-at-end", help="Takes what is left in the last slice.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of an algorithm."""

    name: Name | None
    end: str
    start: str
    slice_length: str
    style: Style | None
    rate: str
    max_participation: str
    risk_aversion: str
    cross_at_end: bool
    venues: tuple[str, ...] = ()


def algorithm_of(asked: Asked) -> algorithm_pb2.Algorithm | None:
    """Returns the algorithm that options ask for; None for none.

    Raises:
        BadParameter: Options do not go together, or a length of time is none.
    """
    _check(asked)
    if asked.name is None:
        return None
    style = "UNSPECIFIED" if asked.style is None else asked.style.upper()
    message = algorithm_pb2.Algorithm(
        start_time=moment_of(asked.start),
        end_time=moment_of(asked.end),
        child_aggressiveness=algorithm_pb2.ChildAggressiveness.Value(f"CHILD_AGGRESSIVENESS_{style}"),
        max_participation=asked.max_participation,
        cross_at_end=asked.cross_at_end,
    )
    length = length_of(asked.slice_length)
    match asked.name:
        case Name.TWAP:
            message.twap.CopyFrom(algorithm_pb2.Twap(slice_interval=length))
        case Name.VWAP:
            message.vwap.CopyFrom(algorithm_pb2.Vwap(slice_interval=length))
        case Name.POV:
            message.participation_of_volume.CopyFrom(algorithm_pb2.ParticipationOfVolume(target_rate=asked.rate))
        case Name.SHORTFALL:
            strategy = algorithm_pb2.ImplementationShortfallAlgorithm(
                risk_aversion=asked.risk_aversion, slice_interval=length
            )
            message.implementation_shortfall.CopyFrom(strategy)
        case Name.SMART:
            message.smart_routing.CopyFrom(smart_routing_pb2.SmartRouting(venues=map(str.upper, asked.venues)))
    return message


def _check(asked: Asked) -> None:
    of_all = {
        "--end": asked.end,
        "--start": asked.start,
        "--style": asked.style,
        "--max-participation": asked.max_participation,
        "--cross-at-end": asked.cross_at_end,
    }
    of_some = {
        "--slice": asked.slice_length,
        "--rate": asked.rate,
        "--risk-aversion": asked.risk_aversion,
        "--venue": asked.venues,
    }
    if asked.name is None:
        if given := [option for option, value in (of_all | of_some).items() if value]:
            raise typer.BadParameter(f"{', '.join(given)}: only with --algorithm")
        return
    if given := [option for option, value in of_some.items() if value and option not in _OWN_OPTIONS[asked.name]]:
        raise typer.BadParameter(f"{', '.join(given)}: not with --algorithm {asked.name}")
    if not asked.end:
        raise typer.BadParameter("--algorithm needs --end, such as --end 10m")


def moment_of(text: str) -> Timestamp | None:
    """Returns the time of a length from now on, or of a time; None for nothing."""
    if (length := _length(text)) is None:
        return terms.time_of(text)
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + length)
    return stamp


def length_of(text: str) -> Duration | None:
    """Returns a length of time; None for nothing.

    Raises:
        BadParameter: It is none.
    """
    if not text:
        return None
    if (length := _length(text)) is None:
        raise typer.BadParameter(f"{text!r} is no length of time, such as 30s, 10m or 2h")
    duration = Duration()
    duration.FromTimedelta(length)
    return duration


def _length(text: str) -> timedelta | None:
    found = _LENGTH.fullmatch(text)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})
