"""Writes the test vectors: `python -m tests.vectors.generate [--check]`.

Every value is computed again on each run. With `--check` nothing is written, and the exit code is 1 where a file would
change. Every case is run before it is written; a case that does not end as `cases.py` says stops the program.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from protocol.canonical import encode
from protocol.envelope.commitment import SALT_SIZE
from protocol.merkle import inclusion_paths, leaf_hash
from tests.vectors import acts, cases, codec, parties, policies
from tests.vectors.build import Builder, Randomness, as_json, delivery_of, record_of
from tests.vectors.notation import HERE, read, text_of
from tests.vectors.run import outcome

ITEMS = ("core", "parts", "records")


def contents() -> dict[str, Any]:
    """Each file's content."""
    written = parties.described()
    build = Builder(Randomness(read("randomised").get("values", {})))
    made = {
        "parties": written,
        "messages": {"what": "Good messages, with every value on the way.", "cases": list(_messages(build))},
        "submissions": _cases("What a router says to a submission.", cases.submissions(build)),
        "deliveries": _cases("What an addressee says to a delivery.", cases.deliveries(build)),
        "decisions": _cases("What anybody says to a router's decisions.", cases.decisions(build)),
        "disclosures": _cases(
            "Single parts shown to somebody who has the signed header.", _disclosures(build)
        ),
        "codec": {
            "what": "CBOR that is an item of the profile, and CBOR that is not.",
            "cases": list(codec.cases()),
        },
        "merkle": {"what": "Trees of RFC 6962: leaves, root, inclusion paths.", "cases": list(_trees())},
    }
    for name in ("messages", "submissions", "deliveries", "decisions", "disclosures"):
        for case in made[name]["cases"]:
            found = outcome(case, written)
            if found != case["expect"]:
                raise SystemExit(f"{name}: {case['name']}: expected {case['expect']}, found {found}")
    made["acts"] = _cases("What anybody says to acts that take two registrars.", acts.cases(build))
    made["acts"]["keys"] = acts.described()
    for case in made["acts"]["cases"]:
        if (found := acts.outcome(case, made["acts"]["keys"])) != case["expect"]:
            raise SystemExit(f"acts: {case['name']}: expected {case['expect']}, found {found}")
    made["policies"] = policies.contents(made["messages"]["cases"], written)
    for case in made["policies"]["items"]:
        if (found := policies.item_outcome(case)) != case["expect"]:
            raise SystemExit(f"policies: {case['name']}: expected {case['expect']}, found {found}")
    made["randomised"] = {
        "what": "Values that are random inside the library, kept so that a run changes nothing: HPKE, ML-DSA-65.",
        "values": dict(sorted(build.random.new.items())),
    }
    return made


def _messages(build: Builder) -> Iterable[dict[str, Any]]:
    for made in cases.messages(build):
        batch = build.batch([record_of(made)], name=made["name"])
        deliveries = [delivery_of(made, i, batch["receipts"][0]) for i in range(len(made["wraps"]))]
        yield {
            **as_json(made, ITEMS),
            "step": "message",
            "owner": made["core"][7][0],
            "now": parties.NOW,
            "decision": as_json(batch, ITEMS),
            "deliveries": [raw.hex() for raw in deliveries],
            "expect": "ok",
        }


def _cases(what: str, each: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"what": what, "cases": [as_json(case, ("part",)) for case in each]}


def _disclosures(build: Builder) -> Iterable[dict[str, Any]]:
    parts = [[0, b"frame"], [1, b"he was there"], [1, b"she was not"]]
    made = build.message(cases.core("disclosed", ["it"]), parts, name="disclosed")
    each, salts = made["part_commitments"], made["part_salts"]

    def case(name: str, expect: str, at: int, **changes: Any) -> dict[str, Any]:
        shown_part = {
            "index": at, "part": parts[at], "part_salt": salts[at], "others": each[:at] + each[at + 1 :],
            "commitment": made["commitment"],
        }  # fmt: skip
        return {"name": name, "step": "disclosure", **shown_part, **changes, "expect": expect}

    for at in range(3):
        yield case(f"part {at}", "ok", at)
    yield case("another content", "refused", 1, part=[1, b"he was elsewhere"])
    yield case("another kind", "refused", 1, part=[2, b"he was there"])
    yield case("another place", "refused", 1, index=2)
    yield case("a place from the end", "refused", 2, index=-1)
    yield case("another part's salt", "refused", 1, part_salt=salts[2])
    yield case("a longer salt", "refused", 1, part_salt=salts[1] + bytes(1))
    yield case("no salt", "refused", 1, part_salt=bytes(0))
    yield case("one part less", "refused", 1, others=each[:1])
    yield case("another message's commitment", "refused", 1, commitment=bytes(SALT_SIZE))


def _trees() -> Iterable[dict[str, Any]]:
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 13):
        leaves = [encode([i, bytes([i])]) for i in range(size)]
        hashes = [leaf_hash(leaf) for leaf in leaves]
        root, paths = inclusion_paths(hashes)
        yield {
            "leaves": [leaf.hex() for leaf in leaves],
            "leaf_hashes": [leaf.hex() for leaf in hashes],
            "root": root.hex(),
            "paths": [[step.hex() for step in path] for path in paths],
        }


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(prog="python -m tests.vectors.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 where a file would change"
    )
    check = parser.parse_args(arguments).check
    changed = []
    for name, content in contents().items():
        path, text = HERE / f"{name}.json", text_of(content)
        if not path.exists() or path.read_text() != text:
            changed.append(path.name)
            if not check:
                path.write_text(text)
    print(
        f"{'would change' if check else 'written'}: {', '.join(changed)}" if changed else "nothing changed",
        file=sys.stderr,
    )
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
