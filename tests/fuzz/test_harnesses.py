"""The harnesses themselves, without a fuzzer: their seeds are taken, and mutations of them break nothing."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.harnesses import HARNESSES
from tests.fuzz.mutate import bent, mutated

EACH = pytest.mark.parametrize("harness", HARNESSES, ids=lambda harness: harness.name)
MUTATIONS = 400


@EACH
def test_seeds_reach_behind_the_parser(harness):
    """Each harness has a seed that its parser takes: fuzzing begins inside and not at the door."""
    taken = [harness.try_one(seed) for seed in harness.seeds()]  # every seed is tried
    assert any(taken)


@EACH
def test_mutations_are_taken_or_refused_in_one_family(harness):
    """Mutated seeds, with and without their structure kept, are parsed or refused; no other error comes out."""
    random = Random(1)
    seeds = harness.seeds()
    for _ in range(MUTATIONS):
        data = random.choice(seeds)
        for _ in range(random.randint(1, 3)):
            data = mutated(data, random, lambda part: bent(part, random))
        harness.try_one(data)


@EACH
def test_odd_bytes_are_taken_or_refused(harness):
    """Nothing, one byte of each kind, much of one byte."""
    for data in (
        b"",
        *(bytes([byte]) for byte in range(256)),
        b"\x81" * 5000,
        b"[" * 5000,
        b"\x00" * 5000,
        b"\xff" * 5000,
    ):
        harness.try_one(data)


def test_mutation_keeps_its_structure():
    """Most mutations of CBOR are CBOR again, so that they reach what stands behind the codec."""
    random = Random(2)
    canonical = HARNESSES[0]
    seed = canonical.seeds()[-1]
    taken = sum(canonical.try_one(mutated(seed, random, lambda part: bent(part, random))) for _ in range(300))

    assert taken > 150
