"""An auditor sees who signed what takes two registrars, and that nothing of it was signed by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clients.audit.checks import signed_leaves
from clients.audit.findings import FindingKind
from keys.statement_types import Revocation
from protocol.limits import HOUR
from protocol.trail import stated_acts
from protocol.trail.acts import Act, act_leaf
from protocol.trail.ledger_leaves import Sequenced, row_of_act
from protocol.trail.records import RecordType
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, rewritten
from tests.mutants.promises import assert_missed
from tests.sim.ledger import Ledger
from tests.sim.two_registrars import TwoRegistrars
from tests.sim.world import World
from tests.unit.clients.audit.audits import audit, kinds


@pytest.fixture
def two(tmp_path: Path) -> Ledger:
    """A ledger of an exchange with two registrars."""
    made = Ledger(tmp_path, world=TwoRegistrars())
    made.start()
    made.decide(5)
    return made


def release(ledger: Ledger) -> Act:
    world = ledger.world
    detail = ("fr", 0, 1, "A. Costa", "M. Smit")
    return Act(RecordType.QUARANTINE_RELEASE, world.now, world.registrar.name, bytes(32), detail)


def world_of(ledger: Ledger) -> TwoRegistrars:
    assert isinstance(ledger.world, TwoRegistrars)
    return ledger.world


def take(ledger: Ledger, record: bytes) -> int:
    """Log what two have signed; the leaf."""
    index = ledger.log.tree.size
    made = ledger.made_of(record)
    ledger.append(made.entries, made.rows, made.signed)
    ledger.publish()
    return index


def log_half(ledger: Ledger) -> None:
    """The ledger logs what one has signed, as if it were enough: it is an older one, or somebody's."""
    act = release(ledger)
    leaf = act_leaf(act, bytes(16))
    made = Sequenced([leaf.entry], [row_of_act(act, leaf, index=ledger.log.tree.size)], b"")
    ledger.append(made.entries, made.rows, ledger.signed_by("registrar", made))
    ledger.publish()


def told(ledger: Ledger, kind: FindingKind) -> list[str]:
    return [each.what for each in audit(ledger.path).findings if each.kind is kind]


def test_both_are_shown(two: Ledger) -> None:
    """A notice, and nothing is wrong."""
    leaf = take(two, world_of(two).both(release(two), later=HOUR))
    assert kinds(two.path) == set()
    assert told(two, FindingKind.SIGNED_BY) == [
        f"leaf {leaf}: quarantine_release, signed by registrar and registrar-2"
    ]


def test_an_act_of_one_is_found(two: Ledger) -> None:
    """Under a code of its own, and it names nobody who signed it."""
    log_half(two)
    assert kinds(two.path) == {FindingKind.ACT_ALONE}
    assert told(two, FindingKind.SIGNED_BY) == []
    assert "E_AGREEMENT" in told(two, FindingKind.ACT_ALONE)[0]


def test_with_one_registrar_it_says_that_one_signed(tmp_path: Path) -> None:
    """Logs of before stay right; whoever reads them is told what the two names rest on."""
    ledger = Ledger(tmp_path, world=World())
    ledger.start()
    ledger.state_act(release(ledger), by="registrar")
    ledger.publish()
    assert kinds(tmp_path) == set()
    (what,) = told(ledger, FindingKind.SIGNED_BY)
    assert what.endswith("quarantine_release, signed by registrar alone")


@pytest.mark.parametrize("whose", ["registrar", "second"])
@pytest.mark.parametrize("before", [True, False])
def test_what_a_thief_signed_falls(two: Ledger, whose: str, before: bool) -> None:
    """From the theft on an act with that key is an act of one, whichever of the two it was; until then it stays."""
    world = world_of(two)
    take(two, world.both(release(two), later=HOUR))
    world.now += 2 * HOUR
    key = getattr(world, whose)
    since = world.now if before else world.now - HOUR
    world.publish(
        Revocation(key.name, key.public.kid, reason="stolen", compromised_since=since), by=world.root_key
    )
    two.announce()
    two.publish()
    assert (FindingKind.ACT_UNSIGNED in kinds(two.path)) is not before


Promise = Callable[[Ledger], None]
MUTANTS = [
    ("two", Mutant(stated_acts.check_stated, rewritten("not takes_two(entries, parties)", "agreed is None")), test_an_act_of_one_is_found),
    ("its code", Mutant(signed_leaves.check_signed, rewritten("FindingKind.ACT_ALONE if ... else ...", "FindingKind.ACT_UNSIGNED")), test_an_act_of_one_is_found),
    ("shown", Mutant(signed_leaves.check_signed, dropped("FindingKind.SIGNED_BY")), test_both_are_shown),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_each_rule_taken_away_is_noticed(mutant: Mutant, promise: Promise, two: Ledger) -> None:
    await assert_missed(mutant, promise, two=two)
