"""Sees to it that callers reach the accounts that they ask for, or act for.

Innermost of all interceptors of a service that has something of accounts. Where nobody looks at callers there is no
such interceptor, and it costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from services.mesh.access.accounts import AccountAccess
from services.mesh.context import current_call, within
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler

Check = Callable[[Any], Awaitable[None]]
"""Refuses a request whose account the caller does not reach."""
AnswerCheck = Callable[[Any, Any], Awaitable[None]]
"""The same for a request and its answer, where only that tells the account."""


class AccountInterceptor:
    """Looks at the account that a request names at its top, or does what a service says for the method."""

    def __init__(
        self,
        accounts: AccountAccess | None,
        checks: Mapping[str, Check] | None = None,
        answers: Mapping[str, AnswerCheck] | None = None,
    ) -> None:
        """Makes the interceptor.

        Args:
            accounts: Tells which accounts the caller reaches. None: nothing of the service is of an account.
            checks: What looks at the requests of some methods, by their names.
            answers: What looks at the answers of some methods.
        """
        self._accounts, self._checks, self._answers = accounts, checks or {}, answers or {}

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Looks, then serves; or serves, looks, and tells nothing.

        Raises:
            LookupError: Nothing says which account a caller must reach: a new method needs a rule.
        """
        if (answered := self._answers.get(method.name)) is not None:

            async def handle_and_look(request: Any, context: Context) -> Any:
                answer = await handler(request, context)
                await answered(request, answer)
                return answer

            return handle_and_look
        check = self.check_of(method)

        async def handle(request: Any, context: Context) -> Any:
            await check(request)
            return await handler(request, context)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Looks, then serves. A stream that takes many requests is of the account of the first of them, `open`.

        It looks again when the caller shows another token, which may name other accounts.

        Raises:
            LookupError: Nothing says which account a caller must reach.
        """
        if not method.request_streaming:
            check = self.check_of(method)

            async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
                await check(request)
                async for message in handler(request, context):
                    yield message

            return handle

        by_account = self._by_account(method)

        async def handle_many(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            call, first = current_call(), await anext(requests, None)
            # One that does not begin with `open` is refused by its handler, before anything of it is done.
            if first is not None and first.HasField("open"):
                await by_account(first.open)

            async def look_again(opening: Any) -> None:
                # Who reads the requests may be a task of its own, which serves no call.
                with within(call):
                    await by_account(opening)

            async for message in handler(_again(first, requests, look_again), context):
                yield message

        return handle_many

    def check_of(self, method: Method) -> Check:
        """Returns what looks at the requests of a method.

        Raises:
            LookupError: Nothing says which account a caller must reach.
        """
        if (check := self._checks.get(method.name)) is not None:
            return check
        if method.request_type is None or "account_id" not in method.request_type.fields_by_name:
            raise LookupError(f"no rule says which account a caller of {method.path} must reach")
        return self._by_account(method)

    def _by_account(self, method: Method) -> Check:
        if (accounts := self._accounts) is None:
            raise LookupError(f"nothing tells which accounts a caller of {method.path} reaches")

        async def check(request: Any) -> None:
            await accounts.require(request.account_id)

        return check


async def of_no_account(_request: Any) -> None:
    """Looks at nothing: what is asked for is of no account, and the contract says which roles may ask."""


async def _again(first: Any, rest: AsyncIterator[Any], look_again: Check) -> AsyncIterator[Any]:
    if first is None:
        return
    yield first
    takes_tokens = "authorize" in first.DESCRIPTOR.fields_by_name
    async for request in rest:
        if takes_tokens and request.HasField("authorize"):
            await look_again(first.open)
        yield request
