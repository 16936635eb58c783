"""Quotas: what each unit may ask for, and the registrar's statement that changes it.

What a quota counts is in protocol/envelope/quotas.py; routers keep it (broker/router/step.py).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from broker.centre.registry import Registry, warn_of_refused
from keys.directory import Directory
from protocol.identifiers import UnitId
from runtime.cli.command import Invocation
from runtime.process.clock import now


async def list_quotas(invocation: Invocation) -> list[dict[str, Any]]:
    """Of every unit, by name."""
    registry = await Registry.read(invocation)
    warn_of_refused(registry.refused, unread=registry.directory.unread)
    return [_row(registry.directory, unit.unit) for unit in registry.directory.units()]


async def change_quota(invocation: Invocation, unit: str, changes: dict[str, int]) -> dict[str, Any]:
    """State a unit's quota: the one of now with these amounts, by the names of the limits."""
    async with Registry.open(invocation) as registry:
        named = UnitId(unit)
        quota = replace(registry.directory.quota(named, now()), **changes)
        await registry.state([registry.quota_change(named, quota)])
        return _row(registry.directory, named) | {"waits": registry.waits}


def _row(directory: Directory, unit: UnitId) -> dict[str, Any]:
    return {"unit": unit, **asdict(directory.quota(unit, now())), "since": directory.quota_since(unit)}
