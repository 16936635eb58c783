"""What once ended a ledger for good, on a real Kafka and with the commands that people use: it goes on, and says why."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from keys.ceremony import found_exchange
from keys.store import write_private
from keys.unlock import Credential
from protocol import topics
from protocol.identifiers import UnitId
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.client import connection_settings
from runtime.kafka.partition_log import KafkaDirectory, KafkaLog, KafkaTopics
from runtime.process.directory_file import write_statements
from runtime.process.homes import UnitHome
from runtime.process.settings_text import toml_text
from tests.guarded import access_of, grant, lines_as, shows_its_own, words_as, words_of_unit
from tests.integration.test_acts import COMMAND, _search, contrada, founded
from tests.integration.units import UnitProcess, now
from tests.waiting import GENEROUS, ended, until

pytestmark = pytest.mark.slow

NAME = "contrada.example"


@pytest.fixture
def centre(empty_kafka, tmp_path: Path) -> list[str]:
    """An exchange with a ledger."""
    home = ["--home", str(tmp_path / "centre"), *words_as(empty_kafka.bootstrap, "centre")]
    contrada(*home, "centre", "init")
    contrada(*home, "ledger", "init", "--origin", NAME, "--http-port", "0")
    shows_its_own(tmp_path / "centre" / "ledger.toml", "ledger")
    return home


def ledger_of(centre: list[str]) -> Path:
    return Path(centre[1]) / "ledger"


def state(centre: list[str], *whys: str) -> None:
    for why in whys:
        contrada(*centre, "centre", "act", "break-glass", "--who", "duty", "--why", why, "--yes")


@contextmanager
def ledger_running(centre: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*COMMAND, *centre, "ledger", "run"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, cwd=Path.cwd())  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=GENEROUS)


def sequenced(centre: list[str], wanted: dict[str, int]) -> list[dict]:
    """Run the ledger until it has so many acts of each of these types; all rows of its logs, oldest first."""
    with ledger_running(centre) as process:
        rows = until(
            lambda: _search(ledger_of(centre)),
            lambda rows: Counter(wanted) <= Counter(row["type"] for row in rows),
            what=f"{wanted} in the ledger",
            alive=lambda: _lives(process),
        )
    return sorted(rows, key=lambda row: row["leaf"])


def _lives(process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, process.stderr.read()[-2000:]


def stops(centre: list[str]) -> str:
    """The ledger ends by itself, with the exit code on which nobody starts it again; what it says."""
    process = subprocess.Popen([*COMMAND, *centre, "ledger", "run"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, cwd=Path.cwd())  # fmt: skip
    assert ended(process) == 7
    return process.stdout.read().decode()


async def delete_before(bootstrap: str, offset: int) -> None:
    """Kafka deletes the beginning of the audit topic, as it does by age."""
    admin = AIOKafkaAdminClient(**connection_settings(bootstrap))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topics.AUDIT, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def end_of_audit(bootstrap: str) -> int:
    async with KafkaTopics(bootstrap).reading(topics.AUDIT, None) as reader:
        return (await reader.span())[1]


def fsck(centre: list[str]) -> list[dict]:
    """A full audit that finds nothing wrong; its notices."""
    found = contrada(
        *("audit", "fsck", str(ledger_of(centre)), "--live"),
        *("--policy", str(ledger_of(centre) / "policy"), "--root", str(Path(centre[1]) / "root.cbor")),
    )
    return found["notices"]


async def test_records_that_kafka_deleted_are_stated_and_passed(centre: list[str], tmp_path: Path) -> None:
    """The ledger stops; one person cannot open the way; two can; unit and auditor are told."""
    unit, home = tmp_path / "fr", ["--home", str(tmp_path / "fr"), *words_of_unit(access_of(centre), "fr")]
    contrada(
        *home,
        "unit",
        "init",
        "fr",
        "--http-port",
        "0",
        "--root",
        str(Path(centre[1]) / "root.cbor"),
        "--contact",
        "fr",
    )
    contrada(*centre, "centre", "enrol", str(unit / "enrolment.cbor"), "--yes", "--name", "France")
    (unit / "ledger-policy").write_bytes((ledger_of(centre) / "policy").read_bytes())
    state(centre, "read before")
    sequenced(centre, {"break_glass": 1, "software_start": 1})
    contrada(*centre, "ledger", "gap", "--by", "Costa", "--second", "Smit", "--why", "none", "--yes", code=9)
    state(centre, "gone", "gone too", "left")
    end = await end_of_audit(access_of(centre))
    await delete_before(access_of(centre), end - 1)

    assert "contrada ledger gap" in stops(centre)
    gap = ("ledger", "gap", "--by", "Costa", "--why", "retention", "--yes")
    contrada(*centre, *gap, "--second", "costa", code=9)
    made = contrada(*centre, *gap, "--second", "Smit")
    assert (made["last"], made["stated_by"]) == (end - 2, "registrar")
    rows = sequenced(centre, {"break_glass": 2, "audit_gap": 1})
    kinds = [row["type"] for row in rows]
    assert kinds.index("audit_gap") < len(kinds) - 1 - kinds[::-1].index("break_glass")
    assert kinds.count("audit_gap") == 1 and "unverified" not in kinds
    contrada(*centre, *gap, "--second", "Smit", code=9)
    notices = [notice for notice in fsck(centre) if notice["kind"] == "audit-gap"]
    assert [notice["leaf"] for notice in notices] == [kinds.index("audit_gap") + rows[0]["leaf"]]
    assert contrada(*centre, "ledger", "check")["behind"] == 0

    process = UnitProcess("fr", UnitHome(unit))
    try:
        process.start()
        codes = until(
            lambda: [alarm["code"] for alarm in process.get("/v1/status")["alarms"]], what="the alarm"
        )
        assert codes == ["ledger_audit_gap"]
    finally:
        process.stop()


async def test_with_two_registrars_it_takes_both(empty_kafka, tmp_path: Path) -> None:
    """The half opens nothing, not even where somebody publishes it; with both the ledger goes on, and an auditor sees both."""
    centre = founded(empty_kafka.bootstrap, tmp_path / "centre", "--registrars", "2")
    state(centre, "read before")
    sequenced(centre, {"break_glass": 1, "software_start": 1})
    state(centre, "gone", "left")
    end = await end_of_audit(access_of(centre))
    await delete_before(access_of(centre), end - 1)
    made = contrada(
        *centre, "ledger", "gap", "--by", "Costa", "--second", "Smit", "--why", "retention", "--yes"
    )
    (half,) = (tmp_path / "centre" / "acts").glob("*.half")
    await KafkaLog(access_of(centre), topics.AUDIT).append([half.read_bytes()])
    assert "contrada ledger gap" in stops(centre)

    second = ("--registrar-key", str(tmp_path / "centre" / "keys" / "registrar-2"), "--yes")
    contrada(*centre, "centre", "agree", "to", made["ballot"], *second)
    rows = sequenced(centre, {"break_glass": 2, "audit_gap": 1})
    assert Counter(row["type"] for row in rows)["unverified"] == 1
    notices = {row["kind"]: row["what"] for row in fsck(centre)}
    assert notices["signed-by"].endswith("audit_gap, signed by registrar and registrar-2")
    assert "E_AGREEMENT" in notices["unverified"]


async def test_a_ledger_whose_database_is_lost_begins_again(centre: list[str]) -> None:
    """By the words of its page: aside, under a new name, over what Kafka has; where that begins late, two say so."""
    state(centre, "before", "before too")
    sequenced(centre, {"break_glass": 2, "software_start": 1})
    home = Path(centre[1])
    for name in ("ledger", "ledger.toml"):
        (home / name).rename(home / f"{name}.lost")
    contrada(*centre, "ledger", "init", "--origin", f"{NAME}/2", "--http-port", "0")
    rows = sequenced(centre, {"break_glass": 2, "software_start": 2})
    assert "unverified" not in {row["type"] for row in rows}
    assert {row["log"].rpartition("/audit/")[0] for row in rows} == {f"{NAME}/2"}
    assert not [notice for notice in fsck(centre) if notice["kind"] == "unverified"]

    # Once more, with the beginning of the topic gone by its age.
    await delete_before(access_of(centre), 2)
    for name in ("ledger", "ledger.toml"):
        (home / name).rename(home / f"{name}.lost-too")
    contrada(*centre, "ledger", "init", "--origin", f"{NAME}/3", "--http-port", "0")
    assert "contrada ledger gap" in stops(centre)
    contrada(*centre, "ledger", "gap", "--by", "Costa", "--second", "Smit", "--why", "age", "--yes")
    rows = sequenced(centre, {"audit_gap": 1, "software_start": 3})
    assert rows[0]["type"] == "audit_gap"
    fsck(centre)


async def test_an_exchange_that_was_founded_without_a_ledger_gets_one(empty_kafka, tmp_path: Path) -> None:
    """Its keys, its topics and its directory know of none: the registrar appoints it, and it runs."""
    home, secret = tmp_path / "centre", os.urandom(32)
    home.mkdir(mode=0o700)
    write_private(home / "centre.secret", secret, entropy=os.urandom)
    founding = found_exchange(home / "keys", secret=Credential(secret), now=now(), entropy=os.urandom)
    (home / "keys" / "ledger" / "identity.key").unlink()
    (home / "keys" / "ledger").rmdir()
    (home / "root.cbor").write_bytes(founding.root.encoded())
    (home / "centre.toml").write_text(
        toml_text(lines_as(empty_kafka.bootstrap, "centre") | {"secret": "centre.secret"})
    )
    write_statements(home / "directory.log", founding.statements[:2])
    shared = [topic for topic in topics.shared() if topic.name not in (topics.LEDGER, topics.AUDIT)]
    await KafkaTopicAdmin(empty_kafka.bootstrap).apply(shared)
    await grant(empty_kafka.bootstrap)
    await KafkaDirectory(empty_kafka.bootstrap).publish(founding.statements[:2])

    centre = ["--home", str(home), *words_as(empty_kafka.bootstrap, "centre")]
    contrada(*centre, "ledger", "init", "--origin", NAME, "--http-port", "0")
    shows_its_own(home / "ledger.toml", "ledger")
    rows = sequenced(centre, {"directory_statement": 3, "software_start": 1})
    assert {row["unit"] for row in rows} == {UnitId("ledger")}
    contrada(*centre, "ledger", "init", "--origin", NAME, "--http-port", "0", code=9)
