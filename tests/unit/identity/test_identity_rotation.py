"""Refresh tokens at random: exchanged, replayed, made up, over logouts and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.identity.domain.caller import Caller
from services.identity.domain.session import SessionRules
from services.identity.domain.values import Proof, Scope
from services.identity.pipeline.ports import Means
from services.identity.pipeline.sessions import Issued, Issuer, Sessions
from services.kernel.errors import CodedError
from services.kernel.identifiers import UuidV7
from tests.fakes.clock import FakeClock
from tests.fakes.identity_stores import FakeOver, FakeSessions, FakeTokens, FakeUsers, done, user

RULES = SessionRules(idle=timedelta(hours=2), most=timedelta(hours=3))
LIFE = timedelta(minutes=5)


@dataclass
class Login:
    """A session as a client knows it: its tokens, the newest last."""

    session_id: str
    begun_at: datetime
    refreshed_at: datetime
    tokens: list[str] = field(default_factory=list)
    ended: bool = False

    def alive(self, now: datetime) -> bool:
        """Tells whether it should go on, counted from scratch."""
        return not self.ended and now < self.refreshed_at + RULES.idle and now < self.begun_at + RULES.most


class RotationMachine(RuleBasedStateMachine):
    """The newest token of a session that goes on is exchanged once; any older one ends it; nothing else is good."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.tokens = FakeClock(), FakeTokens()
        means = Means(self.clock, UuidV7(self.clock), Random(1).randbytes)
        self.user = user()
        self.store = FakeSessions()
        issuer = Issuer(self.tokens, means, LIFE)
        self.over = FakeOver()
        self.sessions = Sessions(
            self.store, FakeUsers(self.user, sessions=self.store), issuer, means, RULES, self.over, most_sessions=99
        )
        self.logins: list[Login] = []

    def _refresh(self, token: str) -> Issued | str:
        try:
            return done(self.sessions.refresh(token, "192.0.2.1"))
        except CodedError as error:
            return error.reason

    @rule()
    def log_in(self) -> None:
        issued = done(self.sessions.begin(self.user, address="192.0.2.1", client="", second_factor=False))
        now = self.clock.now()
        login = Login(self.tokens.signed[issued.access_token].session_id, now, now, [issued.refresh_token])
        self.logins.append(login)

    @precondition(lambda self: self.logins)
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        login = data.draw(st.sampled_from(self.logins))
        answer = self._refresh(login.tokens[-1])
        now = self.clock.now()
        if not login.alive(now):
            assert answer == "INVALID_TOKEN"
            assert self.over.counted[-1] == ("session", login.session_id)
            return
        assert isinstance(answer, Issued)
        login.refreshed_at = now
        login.tokens.append(answer.refresh_token)
        assert answer.refresh_expires_at == min(now + RULES.idle, login.begun_at + RULES.most)
        assert answer.access_expires_at <= min(now + LIFE, login.begun_at + RULES.most)
        assert self.tokens.signed[answer.access_token].session_id == login.session_id

    @precondition(lambda self: any(len(login.tokens) > 1 for login in self.logins))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        login = data.draw(st.sampled_from([each for each in self.logins if len(each.tokens) > 1]))
        token = data.draw(st.sampled_from(login.tokens[:-1]))
        expected = "REFRESH_TOKEN_REUSED" if login.alive(self.clock.now()) else "INVALID_TOKEN"
        assert self._refresh(token) == expected
        login.ended = True

    @rule(token=st.text(max_size=50))
    def make_up(self, token: str) -> None:
        counted = len(self.over.counted)
        assert self._refresh(token) == "INVALID_TOKEN"
        assert len(self.over.counted) == counted

    @precondition(lambda self: self.logins)
    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        login = data.draw(st.sampled_from(self.logins))
        done(self.sessions.logout(Caller(self.user, login.session_id, tuple(Scope), (Proof.PASSWORD,))))
        login.ended = True

    @rule(minutes=st.integers(1, 130))
    def wait(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    @invariant()
    def sessions_go_on_as_clients_expect(self) -> None:
        """Nobody else's session ends, and none that has ended goes on."""
        now = self.clock.now()
        told = {session.session_id for session in done(self.store.page(self.user.user_id, now, "", 1000))}
        assert told == {login.session_id for login in self.logins if login.alive(now)}


TestRotation = RotationMachine.TestCase
TestRotation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
