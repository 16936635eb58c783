"""The test vectors: written by the generator and nobody else, and true of the programs."""

from __future__ import annotations

import pytest

from protocol.canonical import decode, encode
from protocol.content.parts import Part
from protocol.envelope import sealing
from protocol.envelope.core import parse_core
from protocol.errors import Code, Rejected
from protocol.merkle import inclusion_paths, leaf_hash, root_from_path, root_of
from tests.vectors import acts, generate, parties, policies
from tests.vectors.notation import item_of, read
from tests.vectors.run import outcome

PARTIES = read("parties")
STEPS = ("messages", "submissions", "deliveries", "decisions", "disclosures")
CASES = [pytest.param(case, id=f"{name}-{case['name']}") for name in STEPS for case in read(name)["cases"]]
MESSAGES = [pytest.param(case, id=case["name"]) for case in read("messages")["cases"]]


def test_the_files_are_what_the_generator_writes(capsys):
    """A run of the generator changes no file: vectors and programs belong together."""
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("case", CASES)
def test_each_case_ends_as_it_says(case):
    """From the JSON alone, every case is accepted or refused with its code."""
    assert outcome(case, PARTIES) == case["expect"]


@pytest.mark.parametrize("case", read("acts")["cases"], ids=lambda case: case["name"])
def test_each_record_of_acts_ends_as_it_says(case):
    """By the keys of its own file alone; the bytes that are signed stand beside it."""
    assert acts.outcome(case, read("acts")["keys"]) == case["expect"]


def test_each_policy_is_what_it_says():
    """Its one item or none, the version of a moment, and what the rules say by it: from the JSON alone."""
    written = read("policies")
    for case in written["items"]:
        assert policies.item_outcome(case) == case["expect"], case["name"]
    for moment in written["moments"]:
        assert policies.version_at(written["known"], moment["at"]) == moment["version"], moment["name"]
    for case in written["decisions"]:
        assert policies.reasons_of(case, PARTIES) == case["reasons"], case["name"]


@pytest.mark.parametrize("case", MESSAGES)
def test_sealing_gives_the_same_bytes(case, monkeypatch):
    """`seal` itself, given the same randomness, comes to the bytes that were built by hand."""
    core = parse_core(bytes.fromhex(case["core_bytes"]))
    drawn = iter(bytes.fromhex(case[name]) for name in ("salt", "cek", "iv"))
    wraps = iter(bytes.fromhex(wrap) for wrap in case["wraps"])
    monkeypatch.setattr(sealing, "wrap_key", lambda *_: next(wraps))
    made = sealing.seal(
        core,
        [Part(kind, content) for kind, content in item_of(case["parts"])],
        keys=[parties.epoch_key(addressee.unit).public for addressee in core.to],
        signer=Recorded(core.sender, case["signatures"]),
        entropy=lambda _: next(drawn),
    )

    assert made.submission.hex() == case["submission"]
    assert made.header_digest.hex() == case["subject"]


class Recorded:
    """A signer whose randomised signature is the recorded one."""

    def __init__(self, unit: str, signatures: list[str]) -> None:
        self._identity, self._signatures = parties.identity(unit), signatures
        self.public = self._identity.public

    def sign_ed25519(self, message: bytes) -> bytes:
        return self._identity.sign_ed25519(message)

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        recorded = bytes.fromhex(self._signatures[1])
        assert self.public.verify_ml_dsa_65(recorded, message)
        return recorded


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in read("codec")["cases"]])
def test_each_encoding_is_its_item_alone_or_refused(case):
    """Each encoding is its item, and no other, or refused with its code."""
    data = bytes.fromhex(case["bytes"])
    if case["expect"] == "ok":
        assert decode(data) == item_of(case["item"])
        assert encode(item_of(case["item"])) == data
    else:
        with pytest.raises(Rejected) as caught:
            decode(data)
        assert caught.value.code == case["expect"]


@pytest.mark.parametrize("tree", read("merkle")["cases"], ids=lambda tree: f"{len(tree['leaves'])}")
def test_roots_and_paths_are_those_of_the_file(tree):
    """Roots and paths are those of the file, and each path proves its leaf."""
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in tree["leaves"]]
    root, paths = inclusion_paths(hashes)

    assert [leaf.hex() for leaf in hashes] == tree["leaf_hashes"]
    assert root.hex() == root_of(hashes).hex() == tree["root"]
    assert [[step.hex() for step in path] for path in paths] == tree["paths"]
    for index, path in enumerate(paths):
        assert root_from_path(hashes[index], index=index, size=len(hashes), path=path) == root


def test_there_are_enough_bad_ones():
    """More is refused than accepted, and every code of form and verification is among the outcomes."""
    outcomes = [case["expect"] for name in (*STEPS, "codec") for case in read(name)["cases"]]
    refused = [each for each in outcomes if each not in ("ok", "refused")]
    # H0 beside a restriction is one of form; H3 without limits, of policy.
    not_here = {code for code in Code if _is_of_policy(code)} - {Code.E_HANDLING_INVALID}

    assert len(refused) >= 40
    assert set(refused) == set(Code) - not_here


def _is_of_policy(code: Code) -> bool:
    """Codes that other tests have: the rules, the place in Kafka, the body against its header, statements."""
    last = list(Code).index
    rules = range(last(Code.E_TIME_FUTURE), last(Code.E_REPLAY) + 1)
    policy = range(last(Code.E_CLASS_CLEARANCE), last(Code.E_ATT_MISSING) + 1)
    others = (
        Code.E_SUITE_BELOW_MIN, Code.E_SENDER_SUSPENDED, Code.E_RCPT_UNKNOWN, Code.E_RCPT_EPOCH, Code.E_RCPT_SUSPENDED,
        Code.E_GOSSIP_LOG, Code.E_BODY, Code.E_HEADER_LAX, Code.E_STATEMENT, Code.E_ISSUER, Code.E_PARTITION, Code.E_ID_REUSED,
        Code.E_QUOTA,
    )  # fmt: skip
    logs = range(last(Code.E_ISSUER) + 1, len(Code))  # what is made of a log has tests of its own
    mine = last(code) in rules and code is not Code.E_EXPIRED
    return mine or last(code) in policy or last(code) in logs or code in others
