"""Many times at once: what is due is taken in its order, once, and changed times leave nothing behind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.order.pipeline.agenda import Agenda

KEYS = st.sampled_from("abcdefgh")
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 20)),
    st.tuples(st.just("drop"), KEYS, st.just(0)),
    st.tuples(st.just("take"), st.just(""), st.integers(0, 20)),
)


@given(st.lists(STEPS, max_size=60), st.one_of(st.none(), st.integers(1, 3)))
def test_it_holds_what_a_plain_table_does(steps: list[tuple[str, str, int]], most: int | None) -> None:
    """Whatever is put, moved, dropped and taken; the next time is never told too late."""
    agenda, table = Agenda(), dict[str, int]()
    for step, key, at_ns in steps:
        if step == "put":
            agenda.put(key, at_ns)
            table[key] = at_ns
        elif step == "drop":
            agenda.drop(key)
            table.pop(key, None)
        else:
            due = sorted((due_ns, each) for each, due_ns in table.items() if due_ns <= at_ns)[:most]
            assert agenda.take(at_ns, most) == [each for _, each in due]
            for _, each in due:
                del table[each]
        assert {each: agenda.due_ns(each) for each in "abcdefgh"} == {each: table.get(each) for each in "abcdefgh"}
        assert len(agenda) == len(table)
        if table:
            assert agenda.next_ns is not None
            assert agenda.next_ns <= min(table.values())


def test_a_time_that_is_changed_for_ever_takes_no_more_memory() -> None:
    """One key, another time again and again, none of which comes."""
    agenda = Agenda()
    for at_ns in range(10_000):
        agenda.put("a", 10_000_000 - at_ns)
    assert len(agenda._heap) < 100
    assert agenda.take(10_000_000) == ["a"]
