"""The methods by which admins keep users."""

from __future__ import annotations

from ordermesh.identity.v1 import user_admin_pb2
from services.identity.pipeline.users import Access, UserWish
from services.identity.servicer.desk import Desk, Pages
from services.identity.servicer.wire import roles_from_proto, user_to_proto
from services.mesh.interceptors.base import Context


class UserMethods:
    """Keeps users."""

    _desk: Desk

    async def CreateUser(
        self, request: user_admin_pb2.CreateUserRequest, context: Context
    ) -> user_admin_pb2.CreateUserResponse:
        """Makes a user."""
        wish = UserWish(
            request.username,
            request.password,
            request.display_name,
            request.email,
            roles_from_proto(request.roles),
            request.account_ids,
        )
        user = await self._desk.users.create(await self._desk.caller(), wish)
        return user_admin_pb2.CreateUserResponse(user=user_to_proto(user))

    async def GetUser(self, request: user_admin_pb2.GetUserRequest, context: Context) -> user_admin_pb2.GetUserResponse:
        """Tells a user."""
        user = await self._desk.users.get(await self._desk.caller(), request.user_id)
        return user_admin_pb2.GetUserResponse(user=user_to_proto(user))

    async def ListUsers(
        self, request: user_admin_pb2.ListUsersRequest, context: Context
    ) -> user_admin_pb2.ListUsersResponse:
        """Lists users by name."""
        caller = await self._desk.caller()
        pages = Pages(request, size=request.page_size, token=request.page_token, by_id=False)
        found = await self._desk.users.page(caller, pages.after, pages.wanted)
        shown, token = pages.cut(found, lambda user: user.username)
        return user_admin_pb2.ListUsersResponse(users=map(user_to_proto, shown), next_page_token=token)

    async def UpdateUser(
        self, request: user_admin_pb2.UpdateUserRequest, context: Context
    ) -> user_admin_pb2.UpdateUserResponse:
        """Changes what a user may do."""
        access = Access(roles_from_proto(request.roles), request.account_ids, request.disabled)
        user = await self._desk.users.update(await self._desk.caller(), request.user_id, request.version, access)
        return user_admin_pb2.UpdateUserResponse(user=user_to_proto(user))
