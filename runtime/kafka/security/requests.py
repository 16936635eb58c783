"""Requests about rights and quotas, which the library does not speak: ACLs 3 and client quotas 1.

Owns their bytes (KIP-140, KIP-290, KIP-546), and nothing of when they are sent. Any broker takes them, and
gives what is to be changed to the controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from protocol.topics import Right
from runtime.kafka.client import RequestStruct, Response, types
from runtime.kafka.requests import NO_TAGS, TAGS, TEXT, PinnedRequest

ANY: Final = 1
LITERAL: Final = 3
PREFIXED: Final = 4
ALLOW: Final = 3
EVERYWHERE: Final = "*"
USER: Final = "User:"

_ENTITY: Final = "user"
_ANY_ENTITY: Final = 2

_RESOURCE: Final = (("kind", types.Int8), ("name", TEXT), ("pattern", types.Int8))
_WHO: Final = (("principal", TEXT), ("host", TEXT), ("operation", types.Int8), ("permission", types.Int8))
_RESULT: Final = (("error_code", types.Int16), ("error_message", TEXT))
_ENTITIES: Final = ("entity", types.CompactArray(("kind", TEXT), ("name", TEXT), TAGS))


class _RightsDescribed(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 29, 3
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        *_RESULT,
        ("resources", types.CompactArray(*_RESOURCE, ("acls", types.CompactArray(*_WHO, TAGS)), TAGS)),
        TAGS,
    )


class _DescribeRights(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 29, 3, _RightsDescribed
    SCHEMA = types.Schema(*_RESOURCE, *_WHO, TAGS)


class _RightsCreated(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 30, 3
    SCHEMA = types.Schema(("throttle_ms", types.Int32), ("results", types.CompactArray(*_RESULT, TAGS)), TAGS)


class _CreateRights(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 30, 3, _RightsCreated
    SCHEMA = types.Schema(("creations", types.CompactArray(*_RESOURCE, *_WHO, TAGS)), TAGS)


class _RightsDeleted(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 31, 3
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        (
            "results",
            types.CompactArray(
                *_RESULT, ("matching", types.CompactArray(*_RESULT, *_RESOURCE, *_WHO, TAGS)), TAGS
            ),
        ),
        TAGS,
    )


class _DeleteRights(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 31, 3, _RightsDeleted
    SCHEMA = types.Schema(("filters", types.CompactArray(*_RESOURCE, *_WHO, TAGS)), TAGS)


class _QuotasDescribed(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 48, 1
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32),
        *_RESULT,
        (
            "entries",
            types.CompactArray(
                _ENTITIES, ("values", types.CompactArray(("key", TEXT), ("value", types.Float64), TAGS)), TAGS
            ),
        ),
        TAGS,
    )


class _DescribeQuotas(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 48, 1, _QuotasDescribed
    SCHEMA = types.Schema(
        ("components", types.CompactArray(("kind", TEXT), ("match", types.Int8), ("name", TEXT), TAGS)),
        ("strict", types.Boolean),
        TAGS,
    )


class _QuotasAltered(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 49, 1
    SCHEMA = types.Schema(
        ("throttle_ms", types.Int32), ("entries", types.CompactArray(*_RESULT, _ENTITIES, TAGS)), TAGS
    )


class _AlterQuotas(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE = 49, 1, _QuotasAltered
    SCHEMA = types.Schema(
        (
            "entries",
            types.CompactArray(
                _ENTITIES,
                (
                    "ops",
                    types.CompactArray(
                        ("key", TEXT), ("value", types.Float64), ("remove", types.Boolean), TAGS
                    ),
                ),
                TAGS,
            ),
        ),
        ("validate_only", types.Boolean),
        TAGS,
    )


def describe_rights(principal: str | None = None) -> PinnedRequest:
    """What is allowed on this cluster, to one or to all."""
    who = None if principal is None else USER + principal
    return PinnedRequest(_DescribeRights, ANY, None, ANY, who, None, ANY, ALLOW, NO_TAGS)


def create_rights(rights: Iterable[Right]) -> PinnedRequest:
    """Grant these."""
    return PinnedRequest(_CreateRights, [(*_fields(right), NO_TAGS) for right in rights], NO_TAGS)


def delete_rights(rights: Sequence[tuple[Any, ...]]) -> PinnedRequest:
    """Take these away: each as it was described, or as `fields_of` a right."""
    return PinnedRequest(_DeleteRights, [(*fields, NO_TAGS) for fields in rights], NO_TAGS)


def _fields(right: Right) -> tuple[Any, ...]:
    pattern = PREFIXED if right.prefixed else LITERAL
    who = (USER + right.principal, EVERYWHERE, right.operation.value, ALLOW)
    return (right.kind.value, right.name, pattern, *who)


def described_rights(answer: Any) -> Iterable[tuple[Any, ...]]:
    """The fields of each that an answer has, as `delete_rights` takes them."""
    for kind, name, pattern, acls, _ in answer.resources:
        for principal, host, operation, permission, _ in acls:
            yield (kind, name, pattern, principal, host, operation, permission)


def describe_quotas() -> PinnedRequest:
    """The quotas of all users."""
    return PinnedRequest(_DescribeQuotas, [(_ENTITY, _ANY_ENTITY, None, NO_TAGS)], True, NO_TAGS)  # noqa: FBT003


def described_quotas(answer: Any) -> dict[str, dict[str, float]]:
    """Of each user by name what is set; the default of all, which has no name, is left out."""
    return {
        entity[0][1]: {key: value for key, value, _ in values}
        for entity, values, _ in answer.entries or ()
        if entity[0][1] is not None
    }


def alter_quotas(wanted: Mapping[str, Mapping[str, float | None]]) -> PinnedRequest:
    """Set these of each user; None takes one away."""
    entries = [
        (
            [(_ENTITY, user, NO_TAGS)],
            [(key, value or 0.0, value is None, NO_TAGS) for key, value in values.items()],
            NO_TAGS,
        )
        for user, values in wanted.items()
    ]
    return PinnedRequest(_AlterQuotas, entries, False, NO_TAGS)  # noqa: FBT003
