"""One fuzzing process: `python -m tests.fuzz.child HARNESS CORPUS [libFuzzer options]`. Started by `tests.fuzz`."""

from __future__ import annotations

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["protocol", "keys"]):
    from tests.fuzz.harnesses import HARNESSES

from tests.fuzz.mutate import mutated


def main() -> None:
    """Fuzz until the time is over, or until something crashes."""
    name, *options = sys.argv[1:]
    harness = next(harness for harness in HARNESSES if harness.name == name)

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        return mutated(data, Random(seed), lambda part: atheris.Mutate(part, len(part) + 64))[:max_size]

    atheris.Setup([sys.argv[0], *options], harness.try_one, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
