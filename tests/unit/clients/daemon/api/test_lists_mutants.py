"""What keeps a person's few digits from naming another message or key, taken away, breaks a promise."""

from __future__ import annotations

import pytest

from broker.centre import membership
from clients.daemon.store import message_ids
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.unit.broker.centre import test_membership as keys
from tests.unit.broker.centre.test_membership import directory  # noqa: F401 - a fixture
from tests.unit.clients.daemon.api import test_lists as promises
from tests.unit.clients.daemon.api.test_lists import mail  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow


def test_a_message_that_is_chosen_for_a_person(pt, mail) -> None:  # noqa: F811
    """Without the check for several, the first of them would be opened or answered."""
    mutant = Mutant(message_ids.find_id, forced(False, "len(found) > 1"))
    with mutated(mutant), pytest.raises(pytest.fail.Exception):
        promises.test_digits_that_begin_several_ids_are_refused_with_the_ids(pt, mail)


def test_a_key_that_is_chosen_for_a_person(directory) -> None:  # noqa: F811
    """Without it, a key would be withdrawn for good that nobody named."""
    mutant = Mutant(membership.find_key, forced(False, "len(found) > 1"))
    with mutated(mutant), pytest.raises(pytest.fail.Exception):
        keys.test_no_key_is_chosen_for_a_person(directory)
