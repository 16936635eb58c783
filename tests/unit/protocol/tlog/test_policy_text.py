"""The policy that we write: our logs ahead of time, and witnesses of whom each counts once."""

from __future__ import annotations

import pytest

from keys.note_keys import NoteKey, NoteUse
from protocol.errors import MisuseError, Rejected
from protocol.identifiers import Millis
from protocol.tlog.notes import NoteAlgorithm
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry, ledger_origins, ledger_policy, policy_text

NOW = Millis(1_795_000_000_000)  # November 2026
KEY = NoteKey(bytes(32))
NAME = "contrada.example"
WITNESSES = [
    WitnessEntry(unit, NoteKey(bytes([number]) * 32).vkeys(f"{NAME}/witness/{unit}", NoteUse.WITNESS), url)
    for number, (unit, url) in enumerate((("fr", "http://127.0.0.1:7001/"), ("it", None)), start=1)
]


def test_the_logs_of_the_coming_half_years_are_there():
    """This shard, the next three, and the directory, each with both keys of its own."""
    policy = parse_policy(ledger_policy(NAME, now=NOW, log_keys=KEY.vkeys))

    assert policy.origins == ledger_origins(NAME, NOW) == (
        "contrada.example/audit/2026h2", "contrada.example/audit/2027h1", "contrada.example/audit/2027h2",
        "contrada.example/audit/2028h1", "contrada.example/directory",
    )  # fmt: skip
    for origin in policy.origins:
        algorithms = [key.algorithm for key in policy.log_keys(origin)]
        assert algorithms == [NoteAlgorithm.ED25519, NoteAlgorithm.COSIGNED_ML_DSA_44]
    assert len({log.key.public for log in policy.logs}) == 10
    assert (policy.quorum, policy.witnesses, policy.groups) == ("none", (), ())


def test_a_witness_is_a_group_of_its_keys():
    """Each witness counts with all its keys, and its address stands beside them."""
    policy = parse_policy(ledger_policy(NAME, now=NOW, log_keys=KEY.vkeys, witnesses=WITNESSES, quorum=2))

    assert [(one.name, one.url) for one in policy.witnesses] == [
        ("fr.ed25519", "http://127.0.0.1:7001/"), ("fr.ml-dsa-44", "http://127.0.0.1:7001/"),
        ("it.ed25519", None), ("it.ml-dsa-44", None),
    ]  # fmt: skip
    assert [(group.name, group.threshold, group.members) for group in policy.groups] == [
        ("fr", 2, ("fr.ed25519", "fr.ml-dsa-44")), ("it", 2, ("it.ed25519", "it.ml-dsa-44")),
        (policy.quorum, 2, ("fr", "it")),
    ]  # fmt: skip


def test_witnesses_can_be_named_before_any_is_needed():
    """A quorum of none beside known witnesses: they can start before they count."""
    policy = parse_policy(policy_text(KEY.vkeys("x"), witnesses=WITNESSES))

    assert (policy.quorum, len(policy.witnesses)) == ("none", 4)


@pytest.mark.parametrize("quorum", [-1, 3])
def test_a_quorum_that_cannot_be_had_is_not_written(quorum):
    """More than there are witnesses."""
    with pytest.raises(MisuseError):
        policy_text(KEY.vkeys("x"), witnesses=WITNESSES, quorum=quorum)


@pytest.mark.parametrize(
    "witnesses",
    [
        [WITNESSES[0], WITNESSES[0]],
        [WitnessEntry("none", WITNESSES[0].keys)],
        [WitnessEntry("f r", WITNESSES[0].keys)],
        [WitnessEntry("fr", WITNESSES[0].keys, "http://a b/")],
        [WitnessEntry("fr", WITNESSES[0].keys, "http://a/\nquorum none")],
        [WitnessEntry("fr", KEY.vkeys("fr"))],
        [WitnessEntry("fr", ())],
        [WITNESSES[0], WitnessEntry("it", WITNESSES[0].keys)],
    ],
)
def test_what_could_not_be_read_is_not_written(witnesses):
    """Names and addresses from outside cannot put lines into the file."""
    with pytest.raises(Rejected):
        policy_text(KEY.vkeys("x"), witnesses=witnesses, quorum=1)
