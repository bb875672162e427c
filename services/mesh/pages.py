"""Pages of what a list call finds at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from services.mesh.tokens import PageTokens, filters_of

T = TypeVar("T")


class Paged(Protocol):
    """A request of one page."""

    @property
    def page_size(self) -> int:
        """Most entries; 0 for the usual number."""
        ...

    @property
    def page_token(self) -> str:
        """Where the page before ended."""
        ...


class Pages:
    """The pages of one list call, in the order of a key that no two entries share."""

    __slots__ = ("_after", "_size", "_tokens")

    def __init__(self, request: Paged, usual_size: int) -> None:
        """Raises CodedError: INVALID_PAGE_TOKEN."""
        assert isinstance(request, Message)  # noqa: S101 - requests are messages
        self._tokens = PageTokens(filters_of(request))
        self._after = self._tokens.read(request.page_token)
        self._size = request.page_size or usual_size

    def cut(
        self, found: Iterable[T], key: Callable[[T], str], order: Callable[[str], Any] = str
    ) -> tuple[Sequence[T], str]:
        """Returns the page of what was found, and the token of the next one.

        Args:
            found: All entries, in any order.
            key: The key of an entry.
            order: What a key is sorted by.
        """
        after = None if self._after is None else order(self._after[0])
        rest = sorted(
            (each for each in found if after is None or order(key(each)) > after), key=lambda each: order(key(each))
        )
        page = rest[: self._size]
        return page, self._tokens.make(key(page[-1])) if len(rest) > self._size else ""
