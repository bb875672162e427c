"""Algorithms on the command line: which options go together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import typer

from services.cli.algorithms import Asked, Name, Style, algorithm_of

NOTHING = Asked(None, "", "", "", None, "", "", "", cross_at_end=False)


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--end", {"end": "10m"}),
        ("--start", {"start": "1m"}),
        ("--slice", {"slice_length": "30s"}),
        ("--style", {"style": Style.PASSIVE}),
        ("--rate", {"rate": "0.1"}),
        ("--max-participation", {"max_participation": "0.1"}),
        ("--risk-aversion", {"risk_aversion": "0"}),
        ("--cross-at-end", {"cross_at_end": True}),
        ("--venue", {"venues": ("XNAS",)}),
    ],
)
def test_without_an_algorithm_its_options_are_wrong_usage(option: str, given: dict[str, Any]) -> None:
    """None is left out in silence: the order would be another one than was meant."""
    assert algorithm_of(NOTHING) is None
    with pytest.raises(typer.BadParameter, match=option):
        algorithm_of(replace(NOTHING, **given))


@pytest.mark.parametrize(
    ("name", "own"),
    [
        (Name.TWAP, {"slice_length"}),
        (Name.VWAP, {"slice_length"}),
        (Name.POV, {"rate"}),
        (Name.SHORTFALL, {"slice_length", "risk_aversion"}),
        (Name.SMART, {"venues"}),
    ],
)
def test_an_algorithm_takes_its_own_options_alone(name: Name, own: set[str]) -> None:
    """An option of another one is wrong usage, and so is an algorithm without an end."""
    asked = replace(NOTHING, name=name, end="10m")
    given: dict[str, Any] = {"slice_length": "30s", "rate": "0.1", "risk_aversion": "0", "venues": ("XNAS",)}
    for option, value in given.items():
        if option in own:
            assert algorithm_of(replace(asked, **{option: value})) is not None
        else:
            with pytest.raises(typer.BadParameter, match=f"not with --algorithm {name}"):
                algorithm_of(replace(asked, **{option: value}))
    with pytest.raises(typer.BadParameter, match="--end"):
        algorithm_of(replace(asked, end=""))
