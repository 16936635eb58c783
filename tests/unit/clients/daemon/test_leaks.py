"""Content stays where it belongs: tests that try to make it leak.

Every message carries marks, one in each place where words can stand. After it has gone through two units,
with everything going wrong that can go wrong, the marks are looked for: in the logs, in what is raised, in
the metrics, in every file of both homes, and in what the monitoring pages show.
"""

from __future__ import annotations

import io
import logging
import traceback
from pathlib import Path

import pytest
import structlog
from prometheus_client import generate_latest

from clients.daemon.api import directory_views, lists, views
from clients.daemon.errors import StoreUnavailable
from clients.daemon.receiving import deliveries as receiving
from clients.daemon.sending import acknowledgements, intake, waiting
from clients.daemon.store import inbox
from clients.daemon.store.at_rest import ContentUnreadable
from protocol import topics
from protocol.errors import ContradaError, DraftError
from protocol.identifiers import UnitId, read_id
from runtime.kafka.ports import Fetched, InputRecord
from runtime.process import logs
from tests.sim.world import World
from tests.unit.clients.daemon.unit_contexts import UnitFixture, draft, pump, wish

MARKS = ("MARKSUBJECT", "MARKTEXT", "MARKCASE", "MARKNAME", "MARKFILE")


def marked() -> dict:
    item = {
        "type": "person", "subject_category": "suspect-or-convicted", "surname": "MARKNAME",
        "purposes": ["operational"], "data_class": "personal", "files": ["MARKFILE.txt"],
    }  # fmt: skip
    narrative = draft("MARKTEXT")["items"][0]
    return draft() | {"subject": "MARKSUBJECT", "case_ref": "MARKCASE", "items": [narrative, item]}


def attachment() -> dict:
    return {"name": "MARKFILE.txt", "media_type": "text/plain", "content_b64": "TUFSS1RFWFQ="}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Everything that the daemon's log would hold, at its most talkative."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    before = structlog.get_config()
    # A command that asks Kafka silences its client in this process (runtime/cli/kafka_calls.py).
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)
    logs.configure("debug")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    for module in (
        "state.unit_context",
        "sending.intake",
        "sending.sealer",
        "receiving.deciding",
        "receiving.deliveries",
        "directory.statements",
        "daemon",
        "api.routes",
        "app",
    ):
        monkeypatch.setattr(f"clients.daemon.{module}.log", structlog.get_logger())
    yield stream
    structlog.configure(**before)
    logging.getLogger().handlers.clear()
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)


@pytest.fixture
def units(tmp_path: Path) -> tuple[World, UnitFixture, UnitFixture]:
    world = World()
    es, pt = (UnitFixture(world, UnitId(unit), tmp_path / unit) for unit in ("es", "pt"))
    es.learn()
    return world, es, pt


def assert_clean(text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    assert not [mark for mark in MARKS if mark.encode() in data]


def test_nothing_of_a_message_stands_in_files_logs_or_metrics(units, told, tmp_path):
    """Sent, received, opened, answered for, refused, sealed again: only ciphertext and ids are left."""
    world, es, pt = units
    sent = es.submit("pt", draft=marked(), attachments=[attachment()], idempotency_key="k")
    es.submit("nz", draft=marked(), attachments=[attachment()])
    pump(world, es, pt)
    assert views.open_inbox_item(pt.context, read_id(sent.id), None)["body"]["subject"] == "MARKSUBJECT"
    acknowledgements.seal_receipts(pt.context)
    pump(world, es, pt)
    log = told.getvalue()
    assert "refused" in log, "the log is not silent"
    assert_clean(log)
    for unit in units[1:]:
        assert_clean(generate_latest(unit.context.metrics.registry))
        files = [path for path in unit.path.rglob("*") if path.is_file()]
        assert any(path.suffix == ".sqlite" or "-wal" in path.name for path in files)
        for path in files:
            assert_clean(path.read_bytes())


def test_nothing_of_a_message_stands_in_what_is_raised_and_logged(units, told):
    """A disk that fills up, a blob that is damaged, a delivery that does not hold: codes only."""
    world, es, pt = units
    large = marked() | {"relevance": "MARKTEXT " * 2000 + "."}
    es.submit("pt", draft=large, attachments=[attachment()])
    es.post()
    world.route("es")
    delivery = world.inboxes["pt"][-1]
    pages = pt.context.store.row("PRAGMA page_count")[0]
    pt.context.store.row(f"PRAGMA max_page_count={pages}")
    feed = Fetched(topics.inbox(pt.unit), 0, (InputRecord(0, 0, delivery),), 1)
    with pytest.raises(StoreUnavailable) as full:
        receiving.take_deliveries(pt.context, feed, patient=True)
    assert_clean("".join(traceback.format_exception(full.value)))
    pt.context.store.row("PRAGMA max_page_count=1000000")
    receiving.take_deliveries(pt.context, feed, patient=True)
    with pt.context.transaction():
        pt.context.store.write("UPDATE inbox SET content = zeroblob(64)")
    with pytest.raises(ContentUnreadable) as broken:
        inbox.read_parts(pt.context.store.row("SELECT * FROM inbox"), pt.context.vault)
    assert_clean("".join(traceback.format_exception(broken.value)))
    assert_clean(told.getvalue())


def test_a_drafts_error_goes_to_its_writer_and_not_to_the_log(units, told):
    """It names the writer's own values, so it is returned and never logged."""
    _, es, _ = units
    wrong = marked() | {"language": "MARKTEXT"}
    (error,) = intake.submit_requests(es.context, [wish("pt", draft=wrong, attachments=[attachment()])])
    assert isinstance(error, DraftError)
    assert_clean(told.getvalue())


def test_what_a_page_of_the_outbox_shows_is_codes(units):
    """Lists and traces never show content; only opening a message does."""
    world, es, pt = units
    sent = es.submit("pt", draft=marked(), attachments=[attachment()])
    pump(world, es, pt)
    message_id = read_id(sent.id)
    for shown in (
        lists.outbox_page(es.context, lists.ListQuery()),
        views.outbox_item(es.context, message_id),
        lists.inbox_page(pt.context, lists.ListQuery()),
        views.message_trace(es.context, message_id),
        views.message_trace(pt.context, message_id),
        directory_views.unit_list(pt.context),
        directory_views.own_keys(pt.context),
    ):
        assert_clean(repr(shown))


def test_no_representation_of_a_request_or_an_order_shows_content(units):
    """What ends in a traceback by accident is silent."""
    _, es, _ = units
    es.submit("pt", draft=marked(), attachments=[attachment()])
    assert_clean(repr(waiting.order_of(es.context, 1)))
    assert_clean(repr(wish("pt", draft=marked(), attachments=[attachment()])))


def test_a_library_that_logs_content_shows_its_name_only(told):
    """Whatever a library says, with a traceback or not, the line has its name and a type."""
    try:
        raise ValueError("MARKTEXT")
    except ValueError:
        logging.getLogger("asyncio").exception("failed on %s", "MARKTEXT")
    logging.getLogger("uvicorn.error").error("MARKTEXT")
    assert_clean(told.getvalue())
    assert '"logger": "asyncio", "error": "ValueError"' in told.getvalue()


def test_a_log_line_withholds_what_is_not_on_the_list(told):
    """A new key is dropped and named; a value never shows."""
    structlog.get_logger().info("event", text="MARKTEXT", message_id="x" * 5000)
    assert_clean(told.getvalue())
    assert '"withheld": ["text"]' in told.getvalue()
    assert len(told.getvalue()) < 600


def test_our_errors_carry_no_content_of_others(units):
    """Each error that a delivery can end in names a code, and its chain has no foreign text."""
    world, es, pt = units
    es.submit("pt", draft=marked(), attachments=[attachment()])
    es.post()
    world.route("es")
    whole = world.inboxes["pt"][-1]
    for at in range(0, len(whole), 97):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        outcome = receiving._judge(pt.context, bytes(changed), patient=False)
        assert isinstance(outcome, ContradaError)
        assert_clean("".join(traceback.format_exception(outcome)))
