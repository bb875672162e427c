"""How much one user, and one address, may ask for: token buckets in Envoy itself.

Addresses are counted before tokens are verified, so that a flood of bad ones costs little; users after it.
"""

from __future__ import annotations

from typing import Any

from gateway.settings import Rate, Settings
from gateway.tokens import CLAIMS, TOKENS

ADDRESSES = "ordermesh.filters.http.address_limit"
LOGINS = "ordermesh.filters.http.login_limit"
"""Its filter is off but on routes that switch it on."""
USERS = "ordermesh.filters.http.user_limit"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
# Buckets that are remembered; the one that was not used for longest goes first.
_MOST_BUCKETS = 20_000
# Of IPv6, a household or a machine has a whole network.
_ADDRESS = "masked_remote_address"
_BY_ADDRESS = _ADDRESS, {_ADDRESS: {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
_SUBJECT = {"key": TOKENS, "path": [{"key": CLAIMS}, {"key": "sub"}]}
_BY_USER = "user", {"metadata": {"descriptor_key": "user", "metadata_key": _SUBJECT, "source": "DYNAMIC"}}


def address_filters(settings: Settings) -> list[dict[str, Any]]:
    """What counts addresses: all requests, and those that begin a login."""
    # One limit is told in the headers of an answer: the user's where there is one.
    users, filters = _counts_users(settings), []
    if settings.address_rate.per_second:
        filters.append({"name": ADDRESSES, **_limit(_BY_ADDRESS, settings.address_rate, shown=not users)})
    if settings.login_rate.per_second:
        shown = users or not filters
        filters.append({"name": LOGINS, "disabled": True, **_limit(_BY_ADDRESS, settings.login_rate, shown=shown)})
    return filters


def user_filters(settings: Settings) -> list[dict[str, Any]]:
    """What counts users, where it is known who calls."""
    return [{"name": USERS, **_limit(_BY_USER, settings.user_rate, shown=True)}] if _counts_users(settings) else []


def as_login(settings: Settings) -> dict[str, Any]:
    """What the route of a request that begins a login says, so that it is counted as one."""
    return {LOGINS: {"@type": _FILTER_CONFIG, "config": {}}} if settings.login_rate.per_second else {}


def _counts_users(settings: Settings) -> bool:
    return settings.enforce_access and settings.user_rate.per_second > 0


def _limit(by: tuple[str, dict[str, Any]], rate: Rate, *, shown: bool) -> dict[str, Any]:
    key, action = by
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {"max_tokens": rate.burst, "tokens_per_fill": rate.per_second, "fill_interval": "1s"}
    limit = {
        "@type": _TYPE,
        "stat_prefix": key,
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limits": [{"actions": [action]}],
        # No value: a bucket for each that is met.
        "descriptors": [{"entries": [{"key": key}], "token_bucket": bucket}],
        "max_dynamic_descriptors": _MOST_BUCKETS,
        "always_consume_default_token_bucket": False,
        "rate_limited_as_resource_exhausted": True,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03" if shown else "OFF",
        # A limit that is not told otherwise is told when it is met.
        "response_headers_to_add": [] if shown else _spent(rate),
    }
    return {"typed_config": limit}


def _spent(rate: Rate) -> list[dict[str, Any]]:
    told = {"limit": str(rate.burst), "remaining": "0", "reset": "1"}
    return [{"header": {"key": f"x-ratelimit-{name}", "value": value}} for name, value in told.items()]
