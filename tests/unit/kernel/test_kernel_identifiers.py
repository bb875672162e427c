"""UUIDv7 and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.clock import SystemClock, from_ns, to_ns
from services.kernel.errors import CodedError
from services.kernel.identifiers import UuidV7, parse_uuid
from tests.fakes.clock import FakeClock


def test_an_identifier_is_a_uuid_of_version_7_that_tells_its_millisecond() -> None:
    """Version and variant are RFC 9562's, and the first 48 bits are the time."""
    clock = FakeClock()
    made = UuidV7(clock).new_uuid()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == clock.now_ns() // 1_000_000


def test_text_and_object_have_the_same_form() -> None:
    """The text is the canonical one, 36 characters."""
    text = UuidV7(FakeClock()).new_id()
    assert str(UUID(text)) == text


@given(st.lists(st.integers(-5_000_000_000, 5_000_000_000), min_size=1, max_size=50))
def test_identifiers_grow_whatever_the_clock_does(steps: list[int]) -> None:
    """Each is greater than the one before, in the same millisecond and when the clock steps back."""
    clock = FakeClock()
    make = UuidV7(clock)
    made = [make.new_id()]
    for step in steps:
        clock.advance_ns(step)
        made.append(make.new_id())
    assert made == sorted(set(made))


@given(st.integers(-5_000_000_000, 5_000_000_000))
def test_identifiers_of_the_next_process_are_greater(step: int) -> None:
    """A process that knows the time of the last one goes on from there, also when the clock was set back between."""
    clock = FakeClock()
    last = UuidV7(clock).new_uuid()
    at_ns = clock.now_ns()
    clock.advance_ns(step)
    make = UuidV7(clock, after_ns=at_ns)
    first, second = make.new_uuid(), make.new_uuid()
    assert last < first < second
    assert first.int >> 80 == max(clock.now_ns() // 1_000_000, at_ns // 1_000_000 + 1)


def test_a_full_counter_runs_into_the_next_millisecond() -> None:
    """With no room left in a millisecond, identifiers still grow."""
    clock = FakeClock()
    make = UuidV7(clock, lambda bits: (1 << bits) - 1)
    make._counter, make._millisecond = (1 << 74) - 2, clock.now_ns() // 1_000_000
    before = make.new_uuid()
    assert make.new_uuid() > before


def test_parsing_takes_only_the_usual_form() -> None:
    """36 characters with dashes, and nothing else."""
    some = uuid4()
    assert parse_uuid(str(some)) == some
    for text in ("", some.hex, f"{{{some}}}", "x" * 36):
        with pytest.raises(CodedError, match="order_id: must be a UUID"):
            parse_uuid(text, "order_id")


@given(st.integers(0, 2**62))
def test_nanoseconds_and_times_agree_to_the_microsecond(nanoseconds: int) -> None:
    """A time made of nanoseconds gives them back, cut to microseconds."""
    assert to_ns(from_ns(nanoseconds)) == nanoseconds - nanoseconds % 1000


def test_the_clock_of_the_machine_tells_utc() -> None:
    """Both forms of the time agree."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - from_ns(clock.now_ns())) < timedelta(seconds=5)


def test_a_fake_clock_moves_when_told() -> None:
    """It stands still otherwise."""
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(timedelta(hours=-1))
    assert clock.now() == datetime(2025, 12, 31, 23, tzinfo=UTC)
