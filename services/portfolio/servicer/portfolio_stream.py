"""StreamPortfolio: what a portfolio is worth, whole, then whenever it changes, folded to the reader's pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from ordermesh.portfolio.v1 import portfolio_stream_pb2
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import out_of_range
from services.mesh.access.life import current_life
from services.mesh.interceptors.base import Context
from services.mesh.streams import Frames, heartbeat_seconds, resume_tokens
from services.mesh.tokens import ResumeTokens, filters_of
from services.portfolio.codec import appraisal_to_proto, portfolio_to_proto
from services.portfolio.pipeline.watch import Change, PortfolioWatch
from services.portfolio.servicer.desk import Desk, portfolio_of

DEFAULT_UPDATE_SECONDS = 0.25
_MOST_PER_CHUNK = 500
_NOT_FILTERS = ("resume_token", "heartbeat_interval", "update_interval")
_Request = portfolio_stream_pb2.StreamPortfolioRequest
_Response = portfolio_stream_pb2.StreamPortfolioResponse


class PortfolioStreamMethods:
    """Streams what portfolios are worth."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def StreamPortfolio(
        self, request: portfolio_stream_pb2.StreamPortfolioRequest, _context: Context
    ) -> AsyncIterator[portfolio_stream_pb2.StreamPortfolioResponse]:
        """Streams what a portfolio is worth."""
        desk = self._desk
        portfolio = portfolio_of(desk.ledger, request)
        tokens = resume_tokens(desk.epoch, filters_of(request, _NOT_FILTERS))
        resumed = _may_resume(tokens, request.resume_token, desk.ledger.sequence)
        watch = PortfolioWatch(desk.ledger, desk.board, desk.valuer, portfolio)
        stream = _Stream(desk, watch, tokens, request)
        stop_listening = desk.draining.listen(stream.wake), stream.life.listen(stream.wake)
        try:
            for message in stream.start(resumed=resumed):
                yield message
            async for message in stream.live():
                yield message
        finally:
            for stop in stop_listening:
                stop()
            watch.close()


class _Stream:
    def __init__(self, desk: Desk, watch: PortfolioWatch, tokens: ResumeTokens, request: _Request) -> None:
        self._ledger, self._draining, self._epoch = desk.ledger, desk.draining, desk.epoch
        self._watch, self._tokens = watch, tokens
        self.life, self._woken = current_life(), asyncio.Event()
        self._frames = Frames(_Response, desk.clock)
        self._heartbeat = heartbeat_seconds(
            request.heartbeat_interval if request.HasField("heartbeat_interval") else None
        )
        self._interval = (
            request.update_interval.ToNanoseconds() / 1e9
            if request.HasField("update_interval")
            else DEFAULT_UPDATE_SECONDS
        )

    def wake(self) -> None:
        """Makes the stream look around."""
        self._woken.set()
        self._watch.wake()

    def start(self, *, resumed: bool) -> Iterator[portfolio_stream_pb2.StreamPortfolioResponse]:
        sequence = self._ledger.sequence
        yield self._frames.subscribed(self._heartbeat, self._epoch, sequence, resumed=resumed)
        change = self._watch.all()
        if resumed:
            yield self._update(change)
        else:
            yield from self._snapshot(change)

    async def live(self) -> AsyncIterator[portfolio_stream_pb2.StreamPortfolioResponse]:
        pace = _Pace(self._heartbeat)
        while True:
            await pace.wait(self._watch, self._woken)
            if reason := self._leaving():
                yield self._frames.going_away(reason, self._token())
                return
            if self.life.due:
                self.life.told()
                self._woken.clear()
                yield self._frames.token_expiring(self.life.ends_ns)
            change = self._look(pace)
            if change is not None:
                yield self._update(change)
            elif pace.beats:
                yield self._frames.heartbeat(self._ledger.sequence, self._token())
            else:
                continue
            pace.told()

    def _leaving(self) -> stream_pb2.GoingAwayReason.ValueType | None:
        if self._draining.begun:
            return stream_pb2.GOING_AWAY_REASON_DRAINING
        return stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED if self.life.over else None

    def _look(self, pace: _Pace) -> Change | None:
        """Returns what has changed, no sooner after the look before than the reader wants updates."""
        if not pace.may_look:
            return None
        change = self._watch.take()
        pace.rest(self._interval if change is not None else min(self._interval, DEFAULT_UPDATE_SECONDS))
        return change

    def _snapshot(self, change: Change) -> Iterator[portfolio_stream_pb2.StreamPortfolioResponse]:
        sequence, positions = change.appraisal.sequence, change.positions
        yield self._frames.snapshot_begin(sequence)
        portfolio = portfolio_to_proto(change.appraisal.portfolio)
        for start in range(0, max(len(positions), 1), _MOST_PER_CHUNK):
            value = appraisal_to_proto(change.appraisal, positions[start : start + _MOST_PER_CHUNK])
            yield _Response(snapshot=portfolio_stream_pb2.PortfolioSnapshot(portfolio=portfolio, value=value))
        yield self._frames.snapshot_end(len(positions), sequence, self._tokens.make(sequence))

    def _update(self, change: Change) -> portfolio_stream_pb2.StreamPortfolioResponse:
        update = portfolio_stream_pb2.PortfolioUpdate(
            value=appraisal_to_proto(change.appraisal, change.positions),
            folded=change.folded,
            resume_token=self._tokens.make(change.appraisal.sequence),
        )
        return _Response(update=update)

    def _token(self) -> str:
        return self._tokens.make(self._ledger.sequence)


class _Pace:
    """When a stream may look for changes again, and when it must say that it lives."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._heartbeat = heartbeat_seconds
        self._look_at = self._now()
        self._beat_at = self._now() + heartbeat_seconds

    async def wait(self, watch: PortfolioWatch, woken: asyncio.Event) -> None:
        """Waits for a change, but not past the next heartbeat; between two looks, for the time of the next one."""
        now = self._now()
        if now < self._look_at:
            await _pause(min(self._look_at, self._beat_at) - now, woken)
        else:
            await watch.wait(max(self._beat_at - now, 0))

    @property
    def may_look(self) -> bool:
        """Whether it is time to look for changes."""
        return self._now() >= self._look_at

    @property
    def beats(self) -> bool:
        """Whether a heartbeat is due."""
        return self._now() >= self._beat_at

    def rest(self, seconds: float) -> None:
        """Puts off the next look."""
        self._look_at = self._now() + seconds

    def told(self) -> None:
        """Takes note that the reader has got a message."""
        self._beat_at = self._now() + self._heartbeat


def _may_resume(tokens: ResumeTokens, token: str, last_sequence: int) -> bool:
    if not token:
        return False
    point = tokens.read(token)
    if point.epoch != tokens.epoch or point.sequence > last_sequence:
        raise out_of_range("STREAM_GAP", "the log has begun anew since the token was made; subscribe without it")
    return True


async def _pause(seconds: float, woken: asyncio.Event) -> None:
    """Lets the time between two updates pass, unless there is something else to tell."""
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return
