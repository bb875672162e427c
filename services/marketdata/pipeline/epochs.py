"""Our numbers of the feed's epochs, in the order in which they were met."""

from __future__ import annotations

from collections.abc import Mapping


class Epochs:
    """Numbers epochs, from 1. The store keeps the number of an epoch with the first history that it writes of it."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self._numbers = dict(known)
        self._names = {number: epoch for epoch, number in known.items()}

    def number_of(self, epoch: str) -> int:
        """Returns the number of an epoch; a new one gets the next."""
        number = self._numbers.get(epoch)
        if number is None:
            number = max(self._names, default=0) + 1
            self._numbers[epoch], self._names[number] = number, epoch
        return number

    def name_of(self, number: int) -> str:
        """Returns the epoch of a number; empty for 0, which stands for none."""
        return self._names.get(number, "")
