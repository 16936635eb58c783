"""Programs that are not ours, in Go, agree with our tree, tiles, proofs, checkpoints, policies and proof files.

golang.org/x/mod/sumdb (Go's own checksum database), github.com/transparency-dev/merkle and /formats (used by the
logs of Sigstore and of Go): main.go, trees.go and notes.go. Both ways: what we write they verify, and what they
write we do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from protocol.errors import Rejected
from protocol.merkle import leaf_hash
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.policy import parse_policy
from protocol.tlog.proof_file import format_proof, parse_proof, verify_proof
from protocol.tlog.tiles import tiles_between
from tests.interop.exhibit import SIZE

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
USUAL = "/usr/local/go/bin/go"
FETCH, BUILD = 50, 110


def run(command, *, patience=BUILD, **environment):
    return subprocess.run(
        command, cwd=HERE, env={**os.environ, **environment}, capture_output=True, text=True, timeout=patience
    )


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The Go program, built once."""
    go = shutil.which("go") or (USUAL if Path(USUAL).exists() else None)
    if go is None:
        pytest.skip("needs Go 1.25 or newer: https://go.dev/dl")
    local = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}
    try:
        fetched = run([go, "mod", "download"], patience=FETCH, **local)
    except subprocess.TimeoutExpired:
        pytest.skip("its Go modules are not here, and the network does not answer")
    if fetched.returncode != 0:
        pytest.skip(f"its Go modules cannot be had here: {fetched.stderr.strip()[-200:]}")
    built = tmp_path_factory.mktemp("go") / "interop"
    made = run([go, "build", "-o", str(built), "."], **local)
    assert made.returncode == 0, made.stderr
    return built


@pytest.fixture(scope="session")
def judged(program, shown):
    """What it found."""
    done = run([str(program), str(shown.directory)])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_everything_that_we_write_verifies_there(judged):
    """Each kind of thing was looked at, and nothing was found wrong."""
    assert judged["wrong"] == []
    assert judged["checked"].keys() == {
        "tile", "name", "root", "inclusion", "consistency", "checkpoint", "cosignature", "altered", "policy", "proof file",
    }  # fmt: skip
    assert judged["checked"]["tile"] == len(tiles_between(0, SIZE))
    assert judged["checked"]["inclusion"] > 300 and judged["checked"]["consistency"] > 600


def test_a_checkpoint_made_there_is_trusted_here(judged, shown):
    """Signed and cosigned with their keys, judged by a policy of their keys."""
    theirs = shown.directory / "theirs"
    policy = parse_policy((theirs / "policy").read_text())
    trusted = policy.trusted(parse_checkpoint((theirs / "checkpoint").read_bytes()))

    assert (trusted.checkpoint.size, trusted.checkpoint.root) == (
        shown.checkpoint.size,
        shown.checkpoint.root,
    )
    assert trusted.witnesses.keys() == {"classic", "quantum"}


def test_a_proof_made_there_verifies_here(judged, shown):
    """For its own entry, and for no other."""
    theirs = shown.directory / "theirs"
    policy = parse_policy((theirs / "policy").read_text())
    data = (theirs / "proof").read_bytes()
    proof = parse_proof(data)

    assert format_proof(proof) == data
    assert proof.extra == b"said by nobody"
    assert verify_proof(proof, leaf_hash(shown.entries[proof.index]), policy).checkpoint.size == len(
        shown.entries
    )
    with pytest.raises(Rejected):
        verify_proof(proof, leaf_hash(shown.entries[proof.index - 1]), policy)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("log/tile/0/001", "tile"),
        ("log/tile/1/000", "tile"),
        ("log/tile/entries/002", "root"),
        ("log/checkpoint", "checkpoint"),
        ("proof", "proof file"),
    ],
)
def test_it_would_have_found_a_fault(program, shown, tmp_path, path, what):
    """One bit changed in our files, and it says so: its silence above means something."""
    copy = tmp_path / "copy"
    shutil.copytree(shown.directory, copy)
    data = bytearray((copy / path).read_bytes())
    data[70] ^= 1
    (copy / path).write_bytes(data)
    done = run([str(program), str(copy)])

    assert done.returncode != 0 or any(wrong.startswith(what) for wrong in json.loads(done.stdout)["wrong"])
