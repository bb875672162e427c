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
_ADDRESS = {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}}
_SUBJECT = {"key": TOKENS, "path": [{"key": CLAIMS}, {"key": "sub"}]}
_USER = {"metadata": {"descriptor_key": "user", "metadata_key": _SUBJECT, "source": "DYNAMIC"}}


def address_filters(settings: Settings) -> list[dict[str, Any]]:
    """What counts addresses: all requests, and those that begin a login."""
    users = _counts_users(settings)
    # One limit is told in the headers of an answer: the user's where there is one.
    filters = [
        (ADDRESSES, settings.address_rate, {"enable_x_ratelimit_headers": "OFF" if users else "DRAFT_VERSION_03"}),
        (LOGINS, settings.login_rate, {"enable_x_ratelimit_headers": "DRAFT_VERSION_03" if users else "OFF"}),
    ]
    return [
        {
            "name": name,
            "typed_config": {**_limit("address", "masked_remote_address", _ADDRESS, rate), **shown},
            **({"disabled": True} if name == LOGINS else {}),
        }
        for name, rate, shown in filters
        if rate.per_second
    ]


def user_filters(settings: Settings) -> list[dict[str, Any]]:
    """What counts users, where it is known who calls."""
    if not _counts_users(settings):
        return []
    limit = {**_limit("user", "user", _USER, settings.user_rate), "enable_x_ratelimit_headers": "DRAFT_VERSION_03"}
    return [{"name": USERS, "typed_config": limit}]


def as_login(settings: Settings) -> dict[str, Any]:
    """What the route of a request that begins a login says, so that it is counted as one."""
    return {LOGINS: {"@type": _FILTER_CONFIG, "config": {}}} if settings.login_rate.per_second else {}


def _counts_users(settings: Settings) -> bool:
    return settings.enforce_access and settings.user_rate.per_second > 0


def _limit(name: str, key: str, action: dict[str, Any], rate: Rate) -> dict[str, Any]:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {"max_tokens": rate.burst, "tokens_per_fill": rate.per_second, "fill_interval": "1s"}
    told = {"x-ratelimit-limit": str(rate.burst), "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    return {
        "@type": _TYPE,
        "stat_prefix": name,
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limits": [{"actions": [action]}],
        # No value: a bucket for each that is met.
        "descriptors": [{"entries": [{"key": key}], "token_bucket": bucket}],
        "max_dynamic_descriptors": _MOST_BUCKETS,
        "always_consume_default_token_bucket": False,
        "rate_limited_as_resource_exhausted": True,
        # For a refusal by a limit that is not told otherwise.
        "response_headers_to_add": [
            {"header": {"key": header, "value": value}, "append_action": "ADD_IF_ABSENT"}
            for header, value in told.items()
        ],
    }
