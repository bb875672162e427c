"""Page tokens and resume tokens."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import assume, given
from hypothesis import strategies as st

from ordermesh.order.v1 import order_stream_pb2
from services.kernel.errors import CodedError
from services.mesh.tokens import PageTokens, ResumePoint, ResumeTokens, filters_of

EPOCH = UUID("01890000-0000-7000-8000-000000000001")


@given(st.integers(0, 2**64 - 1), st.binary())
def test_a_resume_token_leads_back_to_its_point(sequence: int, filters: bytes) -> None:
    """What was made is read, with the same filters."""
    tokens = ResumeTokens(EPOCH, filters)
    assert tokens.read(tokens.make(sequence)) == ResumePoint(EPOCH, sequence)


def test_a_resume_token_of_another_log_is_read_with_its_epoch() -> None:
    """Whether the stream can go on is for the stream to say."""
    other = uuid4()
    assert ResumeTokens(EPOCH, b"f").read(ResumeTokens(other, b"f").make(3)).epoch == other


def test_a_resume_token_of_other_filters_is_refused() -> None:
    """It would skip what the other filters let through."""
    with pytest.raises(CodedError, match="INVALID_RESUME_TOKEN"):
        ResumeTokens(EPOCH, b"a").read(ResumeTokens(EPOCH, b"b").make(3))


@given(st.data())
def test_a_damaged_resume_token_is_refused(data: st.DataObject) -> None:
    """Changing any character, or cutting or adding some, is found out."""
    tokens = ResumeTokens(EPOCH, b"f")
    token = tokens.make(7)
    at = data.draw(st.integers(0, len(token) - 1))
    # The last character holds spare bits, whose change alone does not change the token's meaning.
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789-_!= \u00e9"))
    damaged = token[:at] + letter + token[at + 1 :]
    assume(at < len(token) - 1 and damaged != token)
    with pytest.raises(CodedError, match="INVALID_RESUME_TOKEN: resume_token is damaged"):
        tokens.read(damaged)


@given(st.text(max_size=80))
def test_any_text_as_a_token_is_refused_with_a_coded_error(text: str) -> None:
    """Garbage is an error of the caller, never a fault of ours."""
    with pytest.raises(CodedError):
        ResumeTokens(EPOCH, b"f").read(text)
    if text:
        with pytest.raises(CodedError):
            PageTokens(b"f").read(text)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=3))
def test_a_page_token_leads_back_to_its_position(position: list[str]) -> None:
    """All parts of the position come back."""
    tokens = PageTokens(b"f")
    assert tokens.read(tokens.make(*position), parts=len(position)) == tuple(position)


def test_an_empty_page_token_is_the_first_page() -> None:
    """There is nothing to read."""
    assert PageTokens(b"f").read("") is None


def test_a_page_token_of_other_filters_or_of_another_kind_is_refused() -> None:
    """The error names the field."""
    for token in (PageTokens(b"b").make("1"), ResumeTokens(EPOCH, b"a").make(1), PageTokens(b"a").make("1", "2")):
        with pytest.raises(CodedError) as caught:
            PageTokens(b"a").read(token)
        assert (caught.value.reason, caught.value.violations[0].field) == ("INVALID_PAGE_TOKEN", "page_token")


def test_filters_are_all_of_a_request_but_where_and_how_to_go_on() -> None:
    """Heartbeats and tokens may change between two calls; filters may not."""
    request = order_stream_pb2.StreamOrdersRequest(
        account_id="a", resume_token="t", heartbeat_interval=Duration(seconds=3)
    )
    plain = order_stream_pb2.StreamOrdersRequest(account_id="a")
    assert filters_of(request) == filters_of(plain)
    assert filters_of(plain) != filters_of(order_stream_pb2.StreamOrdersRequest(account_id="b"))
    assert request.resume_token == "t"
