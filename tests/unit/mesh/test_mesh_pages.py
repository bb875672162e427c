"""Pages of what a list call finds at hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ordermesh.broker.v1.venue_account_pb2 import ListVenueOrdersRequest
from services.mesh.pages import Pages


def by_number(name: str) -> tuple[int, str]:
    """Sorts numbers as numbers."""
    return len(name), name


@given(st.sets(st.integers(1, 2_000)), st.integers(0, 8))
def test_pages_tell_each_entry_once_in_order(numbers: set[int], size: int) -> None:
    """By name, or as the list says; a page is full unless it is the last."""
    for order, wanted in ((str, sorted(map(str, numbers))), (by_number, [str(each) for each in sorted(numbers)])):
        told: list[str] = []
        token = ""
        while True:
            request = ListVenueOrdersRequest(connection_id="c", page_size=size, page_token=token)
            shown, token = Pages(request, 3).cut(numbers, str, order)
            told += [str(each) for each in shown]
            if not token:
                break
            assert len(shown) == (size or 3)
        assert told == wanted


def test_what_came_or_went_between_pages_moves_no_other() -> None:
    """A page goes on after the last entry that was told, which may be gone."""
    _, token = Pages(ListVenueOrdersRequest(page_size=2), 3).cut("dbca", str)
    assert Pages(ListVenueOrdersRequest(page_size=2, page_token=token), 3).cut("adce", str) == (
        ["c", "d"],
        token_of("d"),
    )


def token_of(name: str) -> str:
    """Returns the token of the page after an entry."""
    return Pages(ListVenueOrdersRequest(page_size=1), 3).cut((name, "z"), str)[1]
