"""Which key a few digits mean, before it is withdrawn for good."""

from __future__ import annotations

import pytest

from broker.centre.membership import find_key
from keys.directory import Directory
from protocol.identifiers import IdPrefix, UnitId
from runtime.errors import Ambiguous, NotFound
from tests.cli.homes import world


@pytest.fixture(scope="module")
def directory() -> Directory:
    made = Directory(world().root)
    for statement in world().statements:
        made.apply(statement)
    return made


def test_a_key_is_named_by_what_no_other_of_its_unit_begins_with(directory: Directory) -> None:
    """Identities, epoch keys and routers' keys by eight digits; what is another unit's is not found."""
    fr = UnitId("fr")
    keys = [
        key.public.kid for key in (*directory.identities(fr), *directory.epochs(fr), *directory.routers())
    ]

    assert len(keys) > 2
    for kid in keys:
        assert find_key(directory, fr, IdPrefix(kid.hex()[:8])) == kid
    with pytest.raises(NotFound):
        find_key(directory, UnitId("it"), IdPrefix(directory.identities(fr)[0].public.kid.hex()[:8]))


def test_no_key_is_chosen_for_a_person(directory: Directory) -> None:
    """Digits that begin several keys are refused with all of them: this cannot be undone."""
    fr = UnitId("fr")
    with pytest.raises(Ambiguous) as caught:
        find_key(directory, fr, IdPrefix(""))

    assert directory.identities(fr)[0].public.kid.hex() in caught.value.hint.splitlines()
