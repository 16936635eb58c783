"""A whole exchange whose keys are in a token: root, registrar, router, ledger and units; the router's behind a signer."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.demo.exchange import Exchange
from clients.demo.processes import TETHERED, run_contrada
from keys.sealed_file import purpose_of
from keys.store import write_private
from runtime.files import replace_file
from runtime.process.homes import CentreHome
from tests.integration.units import draft
from tests.softhsm import SoftToken, soft_token
from tests.waiting import until


class TokenExchange(Exchange):
    """The demo's exchange, with a line that names the token where 32 bytes would be."""

    token: SoftToken

    def _found(self) -> None:
        for home, name in (
            (self.centre, "centre"),
            *((self.home(unit), "unit") for unit in ("fr", "it", "de", "centre", "nz")),
        ):
            home.mkdir(mode=0o700, parents=True)
            write_private(home / f"{name}.secret", self.token.uri().encode(), entropy=os.urandom)
        super()._found()

    def _start_centre(self) -> None:
        """The signer first; the router's settings name its socket, and no key."""
        socket, keys = self.directory / "signer.socket", self.centre / "keys" / "router"
        config = self.directory / "signer.toml"
        values = {"key": keys / "identity.key", "secret": self.centre / "centre.secret", "socket": socket,
                  "user": os.getuid(), "count": self.directory / "signatures.count"}  # fmt: skip
        config.write_text("".join(f"{name} = {json.dumps(str(value))}\n" for name, value in values.items()))
        router = CentreHome(self.centre).router_settings
        text = router.read_text().replace(f"file:{keys / 'identity.key'}", f"signer:{socket}")
        replace_file(router, text.encode())
        self.processes.start("signer", [*TETHERED, "router", "signer", "--config", str(config)])
        until(socket.is_socket, what="the signer listens")
        super()._start_centre()


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenExchange]:
    with (
        soft_token(tmp_path / "hsm", monkeypatch) as token,
        tempfile.TemporaryDirectory(prefix="ct-") as name,
    ):
        token.secret()
        made = TokenExchange(Path(name) / "demo", daemons=("fr", "it"))
        made.token = token
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.mark.kafka
@pytest.mark.slow
def test_an_exchange_works_with_all_its_keys_in_a_token(exchange: TokenExchange) -> None:
    """A message is sealed, signed, decided, delivered and logged; every key file opens with the token alone."""
    fr, it = exchange.daemon("fr"), exchange.daemon("it")
    sent = fr.post("/v1/messages", {"kind": "information", "to": ["it"], "draft": draft()})["id"]
    until(lambda: it.get("/v1/inbox")["items"], what="it arrives")
    until(lambda: fr.get(f"/v1/outbox/{sent}")["state"] == "accepted", what="it is decided")
    until(lambda: fr.get(f"/v1/proofs/{sent}")["proofs"], what="it is in the ledger")
    files = sorted(exchange.directory.rglob("*.key"))
    assert {purpose_of(path.read_bytes(), name=str(path))[1] for path in files} == {"token"}
    shown = run_contrada("token", "show", exchange.token.uri())
    made = {key["label"] for key in shown["keys"] if key["kind"] == "signing key"}
    assert {f"contrada {name}" for name in ("root", "registrar", "router", "ledger", "fr", "it")} <= made
    counted = (exchange.directory / "signatures.count").read_text().splitlines()
    assert int(counted[-1].split()[1]) > 0
