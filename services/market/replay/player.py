"""Plays recorded messages into the engine at a chosen speed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.market.orders import Action, CancelAll, Execution
from services.market.replay.lobster import Message, MessageType, PublishedBook
from services.market.replay.market_mode import MarketReplay, halts

BATCH = 256


class Session(Protocol):
    """A participant of the engine, in lockstep."""

    async def submit(self, actions: Sequence[Action]) -> list[Execution]:
        """Does actions and returns what has happened to the participant's orders since the last call."""
        ...


class Trading(Protocol):
    """Halts and resumes an instrument."""

    async def halt(self, instrument_id: int) -> None:
        """Halts trading."""
        ...

    async def resume(self, instrument_id: int) -> None:
        """Resumes trading."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast messages follow one another.

    Attributes:
        speed: Seconds of the file in one second of now; 0: as fast as the engine goes.
        now: Seconds on a clock that does not jump.
        sleep: Waits for seconds.
    """

    speed: float
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Player:
    """Plays messages in their order; each that executes is settled before the next is sent.

    Args:
        session: Participant that the orders are entered for.
        trading: Halts and resumes the instrument.
        replay: Turns messages into actions.
        instrument_id: Instrument at the engine.
        pace: How fast messages follow one another.
        progress: Told the number of messages played, now and then.
    """

    def __init__(
        self,
        session: Session,
        trading: Trading,
        replay: MarketReplay,
        instrument_id: int,
        *,
        pace: Pace,
        progress: Callable[[int], None],
    ) -> None:
        self._session = session
        self._trading = trading
        self._replay = replay
        self._instrument_id = instrument_id
        self._pace = pace
        self._progress = progress
        self._waiting: list[Action] = []

    async def play(self, messages: Sequence[Message], first: PublishedBook | None) -> None:
        """Clears what an earlier replay left in the book, seeds it, and plays all messages.

        Raises:
            CodedError: The engine cannot be reached.
        """
        await self._session.submit([CancelAll(self._instrument_id)])
        self._waiting += self._replay.resting_before(messages, first)
        await self._flush()
        started, began = self._pace.now(), messages[0].time_ns
        for number, message in enumerate(messages):
            if self._pace.speed > 0:
                await self._wait(started + (message.time_ns - began) / 1e9 / self._pace.speed)
            await self._play(message)
            if number % BATCH == 0:
                self._progress(number)
        await self._flush()
        self._progress(len(messages))

    async def _play(self, message: Message) -> None:
        self._waiting += self._replay.actions(message)
        if (halted := halts(message)) is not None:
            await self._flush()
            await (self._trading.halt if halted else self._trading.resume)(self._instrument_id)
        elif message.type is MessageType.VISIBLE_EXECUTION or len(self._waiting) >= BATCH:
            await self._flush()

    async def _wait(self, until: float) -> None:
        if self._pace.now() < until:
            await self._flush()
            await self._pace.sleep(max(0.0, until - self._pace.now()))

    async def _flush(self) -> None:
        while self._waiting:
            actions, self._waiting = self._waiting, []
            for execution in await self._session.submit(actions):
                self._waiting += self._replay.observe(execution)
