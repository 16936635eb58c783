"""Keys of the centre's parties that are lost or stolen, and what people do about it.

router_key_lost        docs/runbooks/revoke-a-key.md, "A router's key was stolen", without a thief
registrar_key_stolen   docs/runbooks/revoke-a-key.md, "The registrar's key was stolen"
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broker.centre.key_renewal import appoint_process, renew_registrar
from broker.centre.membership import revoke_key
from broker.centre.registry import registrar_of
from broker.router.router_founding import REQUEST_FILE, RouterPlan, found_router
from broker.router.settings import RouterSettings, router_secret
from keys.appointments.request import parse_appointment_request
from keys.lifecycle import ROUTER_LIFETIME
from keys.possession import appoint
from keys.registrars import standing
from keys.signer import signer_from_uri
from keys.soft_keys import SoftIdentity
from keys.statement_types import StatementType, StatusChange
from keys.statements import issue
from protocol.codes import Classification
from protocol.errors import Rejected
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.key_validity import check_signing_key
from protocol.limits import DAY
from runtime.kafka.partition_log import KafkaDirectory
from runtime.process.clock import now
from tests.years.acts import typed, typed_by_whom_holds_the_office
from tests.years.parties import Router
from tests.years.strike import Strike

if TYPE_CHECKING:
    from tests.years.exchange import Exchange

LIE: Final = "a lie"

DATED_AHEAD: Final = 300 * DAY
"""Of a thief's statement: by that time most keys have ended."""

LOOKED_AFTER: Final = 5.0
"""Seconds after its start until people look at a router that has no key."""

CLOCKS_DIFFER: Final = 300.0
"""Seconds: what a router decided by a clock that was ahead stands, if its key is withdrawn as of later."""


async def router_key_lost(at: Strike) -> None:
    """A key file of routers is gone, its successor with it: each router that used it gets a home and a key of its own."""
    exchange = at.exchange
    first = at.party("router")
    assert isinstance(first, Router)
    lost = first.settings.key
    users = [router for router in exchange.routers if router.settings.key == lost]
    path = Path(lost.removeprefix("file:"))
    if not path.exists():
        return  # it is lost already
    name = signer_from_uri(lost, router_secret(first.settings)).name
    first.kill()
    for file in path.parent.glob(f"{path.stem}*{path.suffix}"):
        file.unlink()
    exchange.note(f"{lost} is gone")
    await at.last()
    first.start()
    await asyncio.sleep(LOOKED_AFTER)
    if first.runs:
        exchange.seen.append(("unheard", f"{first.name} runs without its key"))
    for router in users:
        await router.stop()
    for router in users:
        await _given_another(at, router)
        router.start()
    await asyncio.sleep(CLOCKS_DIFFER)
    for kid in _keys_of(exchange, name):
        await typed(at, partial(_revoked, exchange, name, kid))


async def _given_another(at: Strike, router: Router) -> None:
    """`router init` on its machine, and `centre appoint` of the request."""
    exchange = at.exchange
    home = exchange.place / f"router-home-{len(list(exchange.place.glob('router-home-*')))}"
    name = UnitId(home.name.replace("-home", "-new"))
    plan = RouterPlan(
        home=home,
        name=name,
        kafka=exchange.model.bootstrap,
        root=exchange.home.root,
        secret=None,
        http_port=0,
        ledger_policy=exchange.home.path / "ledger" / "policy",
    )
    found_router(plan)
    made = parse_appointment_request((home / REQUEST_FILE).read_bytes())
    await typed(at, lambda: appoint_process(exchange.invocation, made))
    # The policy file is the centre's, which people change (duties.py).
    router.settings = RouterSettings.load(home / "router.toml").model_copy(
        update={"ledger_policy": plan.ledger_policy}
    )
    exchange.note(f"{router.name} has the key of {name}")


def _keys_of(exchange: Exchange, name: str) -> list[KeyId]:
    """The router keys of this name that are not withdrawn."""
    exchange.harvest.take()
    return [
        key.public.kid
        for key in exchange.harvest.directory().routers()
        if key.unit == name and not key.revoked
    ]


async def _revoked(exchange: Exchange, name: str, kid: KeyId) -> object:
    # With a time: without one, nothing that it ever decided would be believed, what lies unread in inboxes included.
    since = exchange.clocks.millis()
    return await revoke_key(exchange.invocation, name, kid, reason="lost", since=since)


async def registrar_key_stolen(at: Strike) -> None:
    """A thief appoints a router, describes a unit, and dates ahead; the root withdraws the key, and all of that falls."""
    exchange = at.exchange
    async with exchange.office:
        stolen, since = registrar_of(exchange.home), exchange.clocks.millis()
        thief = SoftIdentity.generate(UnitId("router-thief"), at.chance.randbytes)
        made = appoint(
            StatementType.ROUTER,
            thief.name,
            signer=thief,
            not_before=Millis(since),
            not_after=Millis(since + ROUTER_LIFETIME),
        )
        exchange.harvest.take()
        about = exchange.harvest.directory().facts(UnitId(at.party("unit").name))
        assert about is not None
        raised = replace(
            about, version=about.version + 1, clearance=Classification.EU_RESTRICTED, name="A thief's"
        )
        lies = (made, since), (raised, since), (StatusChange(about.unit, True, LIE), since + DATED_AHEAD)
        forged = [issue(body, signer=stolen, issued=Millis(issued)) for body, issued in lies]
        await typed_by_whom_holds_the_office(
            at, lambda: KafkaDirectory(exchange.model.bootstrap).publish(forged)
        )
        await at.last()
        await typed_by_whom_holds_the_office(
            at, lambda: renew_registrar(exchange.invocation, (), root_secret=None)
        )
        await typed_by_whom_holds_the_office(
            at,
            lambda: revoke_key(
                exchange.invocation,
                "registrar",
                stolen.public.kid,
                reason="stolen",
                since=since,
                roots=[exchange.home.keys / "root"],
            ),
        )
    exchange.harvest.take()
    directory = exchange.harvest.directory()
    status = standing.counting_status(about.unit, directory._tables)
    # Others may have suspended it meanwhile; the thief's word alone is told by its reason.
    lied = status is not None and status.value.reason == LIE
    if directory.facts(about.unit) != about or lied:
        exchange.seen.append(
            ("accused", f"what a thief of the registrar's key stated of {about.unit} counts")
        )
    rogue = exchange.harvest.directory().operator_key(thief.public.kid)
    try:
        check_signing_key(None if rogue is None else rogue.identity, signed_at=now(), judged_at=now())
    except Rejected:
        return
    exchange.seen.append(("accused", "a router that a thief of the registrar's key appointed still counts"))
