"""One act of each type, and acts as operators state them."""

from __future__ import annotations

from protocol.errors import Code
from protocol.identifiers import Millis, UnitId
from protocol.trail.acts import (
    Act,
    AuditGap,
    PutBack,
    Rewinding,
    audit_gap,
    audit_rewound,
    deletion,
    directory_statement,
    kafka_put_back,
    software_start,
    unverified,
)
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import MAY_STATE, sign_acts
from tests.sim.world import World

HASH, KID = bytes(range(32)), bytes(16)


def every_act(t: Millis) -> list[Act]:
    """One of each type, and the forms that differ."""
    ledger, registrar = UnitId("ledger"), UnitId("registrar")
    return [
        directory_statement(
            t, ledger, position=7, statement=HASH, stype=2, about="fr", issuer=KID, root=bytes(32)
        ),
        Act(RecordType.POLICY_CHANGE, t, registrar, HASH, ("rules of 2026", "a new article")),
        deletion(t, registrar, origin="contrada.example/audit/2026h2", indexes=[9, 3, 3], ground="ER 31"),
        Act(RecordType.BREAK_GLASS, t, registrar, HASH, ("the duty officer", "a kidnapping")),
        Act(RecordType.BREAK_GLASS, t, registrar, None, ("the duty officer", "a drill")),
        Act(RecordType.AUDITOR_ACCESS, t, registrar, None, ("the EDPS", "unit fr, May")),
        Act(RecordType.QUARANTINE_RELEASE, t, registrar, HASH, ("fr", 0, 12, "one", "another")),
        software_start(t, UnitId("router"), program="router", version="0.1.0"),
        software_start(t, ledger, program="ledger", version="0.1.0", digest=HASH),
        unverified(t, ledger, offset=12, record=HASH, code=Code.E_RECEIPT),
        audit_gap(
            t,
            registrar,
            AuditGap("contrada.example/audit/2026h2", 0, 9),
            why="retention",
            by="one",
            second="two",
        ),
        audit_rewound(t, ledger, Rewinding(80, 35, "contrada.example/audit/2026h1", 0)),
        kafka_put_back(
            t,
            registrar,
            PutBack("contrada.example/audit/2026h2", 0, Millis(1), Millis(2)),
            why="three disks",
            by="one",
            second="two",
        ),
    ]


def stated(world: World, role: str, *acts: Act) -> bytes:
    """Acts as this role puts them into the audit topic."""
    signer = getattr(world, role)
    return sign_acts(acts, actor=UnitId(role), now=world.now, signer=signer, entropy=world.entropy)


def stated_acts(world: World) -> list[bytes]:
    """The acts that each role may state, together."""
    acts = [act for act in every_act(world.now) if MAY_STATE[act.type]]
    return [
        stated(world, role, *(act for act in acts if act.actor == role))
        for role in ("ledger", "registrar", "router")
    ]
