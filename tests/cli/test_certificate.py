"""`contrada centre certificate`: whom it gives one, and that the next one takes the place of the first."""

from __future__ import annotations

import json

import pytest
from cryptography import x509

from tests.cli.terminal import contrada


def _give(tmp_path, party, *options, exit_=0):
    where = ("--authority", str(tmp_path / "ca"), "--out", str(tmp_path / party))
    seen = contrada("centre", "certificate", party, *where, *options, "--json")
    assert seen.exit == exit_, seen
    return seen


def _written(tmp_path, party):
    return x509.load_pem_x509_certificate((tmp_path / party / "certificate.pem").read_bytes())


def test_the_first_call_makes_the_authority_and_the_next_ones_use_it(tmp_path) -> None:
    """All certificates are of one authority; a party's next one is another, with another key."""
    made = json.loads(_give(tmp_path, "unit-fr").out)
    first = _written(tmp_path, "unit-fr")
    _give(tmp_path, "unit-fr")
    _give(tmp_path, "broker", "--host", "127.0.0.1")
    second = _written(tmp_path, "unit-fr")

    assert made["party"] == "unit-fr"
    assert first.public_key() != second.public_key()
    ca = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    for one in (first, second, _written(tmp_path, "broker")):
        one.verify_directly_issued_by(ca)
    assert (tmp_path / "broker" / "broker.pem").exists()


@pytest.mark.parametrize(
    ("party", "options"),
    [("admin", []), ("unit-", []), ("unit-FR", []), ("fr", []), ("broker", []), ("router", ["--host", "x"])],
)
def test_nobody_gets_one_that_kafka_has_no_rights_for(tmp_path, party, options) -> None:
    """Nor a broker one without its hosts; nothing is written."""
    _give(tmp_path, party, *options, exit_=2)

    assert not (tmp_path / "ca").exists()
