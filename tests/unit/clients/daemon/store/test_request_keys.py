"""Keys of requests: the first answer is the answer, within bounds of age and number."""

from __future__ import annotations

import sqlite3

import pytest

from clients.daemon.api.views import find_received
from clients.daemon.errors import KeyReused
from clients.daemon.sending.acknowledgements import acknowledge_row
from clients.daemon.sending.requests import AckRequest
from clients.daemon.store import request_keys
from keys.directory import Directory
from protocol.errors import ContradaError
from protocol.identifiers import Millis, read_id
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import returning, unchecked
from tests.unit.clients.daemon.unit_contexts import UnitFixture, pump

BROKEN = (AssertionError, pytest.fail.Exception)


def once_is_once(unit: UnitFixture) -> None:
    key = unit.context.entropy(8).hex()
    assert unit.submit("it", idempotency_key=key) == unit.submit("it", idempotency_key=key)


def another_is_refused(unit: UnitFixture) -> None:
    key = unit.context.entropy(8).hex()
    unit.submit("it", idempotency_key=key)
    with pytest.raises(KeyReused):
        unit.submit("de", idempotency_key=key)


def test_the_first_answer_is_the_answer_whatever_became_of_the_message(world, es):
    """Accepted meanwhile, and after a restart: word for word what was said when it was taken in."""
    first = es.submit("it", idempotency_key="k")
    pump(world, es)
    es.restart()

    assert (first.state, es.state(first.id)) == ("sealed", "accepted")
    assert es.submit("it", idempotency_key="k") == first


def test_a_repeated_request_is_not_judged_again(world, es):
    """What has changed since is not its affair: here a directory that knows no addressee."""
    first = es.submit("it", idempotency_key="k")
    es.context.replica.directory = Directory(world.directory.root)

    assert es.submit("it", idempotency_key="k") == first


def test_of_a_refused_request_nothing_is_kept(world, es):
    """It may be corrected under the same key."""
    with pytest.raises(ContradaError):
        es.submit("it", idempotency_key="k", draft={"subject": "no items"})
    assert es.submit("it", idempotency_key="k").state == "sealed"


def test_the_key_is_there_exactly_if_its_message_is(world, es):
    """A crash between the two would send twice, or answer for a message that is not there."""

    def disk_fails(*_args: object, **_more: object) -> None:
        raise sqlite3.OperationalError("the disk is full")

    for lost in ("remember", "_write"):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Exception, match=r"disk|database"):
            patch.setattr(f"clients.daemon.sending.sealer.{lost}", disk_fails)
            es.submit("it", idempotency_key="k")
        assert es.rows("SELECT count(*) FROM outbox UNION ALL SELECT count(*) FROM request_keys") == [
            (0,),
            (0,),
        ]


def test_keys_go_with_their_age_a_few_at_a_time(world, es):
    """Older than a week they go, the oldest first; younger ones stay."""
    for number in range(12):
        es.submit("it", idempotency_key=f"old {number}")
    world.now = Millis(world.now + request_keys.KEPT_FOR + 1)
    world.publish_epochs("it")
    es.submit("it", idempotency_key="new 1")
    assert len(es.rows("SELECT * FROM request_keys")) == 5
    es.submit("it", idempotency_key="new 2")
    assert es.rows("SELECT key FROM request_keys ORDER BY id") == [("new 1",), ("new 2",)]


def test_there_are_never_more_keys_than_the_bound(world, es, monkeypatch):
    """A client that uses a key for each message fills no disk."""
    monkeypatch.setattr(request_keys, "MOST", 3)
    for number in range(7):
        es.submit("it", idempotency_key=str(number))
        assert len(es.rows("SELECT * FROM request_keys")) <= 3
    assert es.rows("SELECT key FROM request_keys ORDER BY id") == [("4",), ("5",), ("6",)]


def test_an_acknowledgement_is_made_once_under_one_key(world, es, pt):
    """Asked again, it is the same acknowledgement; another one under its key is refused, and so is a message."""
    sent = es.submit("pt")
    pump(world, es, pt)
    row = find_received(pt.context, read_id(sent.id), None)
    first = acknowledge_row(pt.context, row, AckRequest(), key="k")

    assert acknowledge_row(pt.context, row, AckRequest(), key="k") == first
    with pytest.raises(KeyReused):
        acknowledge_row(pt.context, row, AckRequest.model_validate({"stage": "accepted"}), key="k")
    with pytest.raises(KeyReused):
        pt.submit("es", idempotency_key="k")


def test_keys_of_a_home_of_an_earlier_version_are_known(world, es):
    """Their column is emptied into the table when the home is opened, once."""
    first = es.submit("it", idempotency_key="k")
    with es.context.transaction():
        es.context.store.write(
            "UPDATE outbox SET idempotency_key = 'k', request_mac = (SELECT mac FROM request_keys)"
        )
        es.context.store.write("DELETE FROM request_keys")
    es.restart()

    assert es.submit("it", idempotency_key="k") == first
    assert es.rows("SELECT idempotency_key, request_mac FROM outbox") == [(None, None)]


MUTANTS = {
    "nothing is remembered": (Mutant(request_keys.remember, returning("None")), once_is_once),
    "another request is answered, too": (
        Mutant(request_keys.first_answer, unchecked(request_keys.KeyReused)),
        another_is_refused,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_promise_fails_without_its_safeguard(world, es, name):
    """A repeated request is one message, and another request under its key is none."""
    mutant, promise = MUTANTS[name]
    promise(es)
    with mutated(mutant), pytest.raises(BROKEN):
        promise(es)
