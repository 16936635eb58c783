"""Every code, alarm and metric has a place in the runbooks, and nothing else has."""

from __future__ import annotations

import ast
import re
from typing import get_args

from prometheus_client import CollectorRegistry

from broker.centre.seen.watch_metrics import WatchMetrics
from broker.console.metrics import ConsoleMetrics
from broker.ledger.metrics import LedgerMetrics
from broker.router.metrics import RouterMetrics
from clients.daemon.directory import own_entry
from clients.daemon.ledger import directory_log, gossip
from clients.daemon.ledger import following as ledger
from clients.daemon.metrics import UnitMetrics as UnitMetrics
from clients.witness.metrics import WitnessMetrics as WitnessMetrics
from protocol.errors import Code
from protocol.exchange_rules import RULES
from runtime.cli.local_codes import LOCAL_CODES
from runtime.process.metrics import process_registry
from tests.docs.pages import ROOT, own_sources, page, pages

METRICS = (ConsoleMetrics, RouterMetrics, LedgerMetrics, UnitMetrics, WatchMetrics, WitnessMetrics)
FAMILIES = sorted((ROOT / "docs" / "runbooks").glob("codes-*.md"))


def _rows_of_families() -> list[tuple[str, str]]:
    found = []
    for path in FAMILIES:
        here = page(str(path.relative_to(ROOT)))
        for row in here.rows("Code", "Means", "Do") + here.rows("Code", "Means"):
            found += [(code, path.name) for code in re.findall(r"`(E_\w+)`", row[0])]
    return found


def test_every_reject_code_stands_on_one_page() -> None:
    """A code of the protocol has one row, on the page of its family."""
    rows = [code for code, _ in _rows_of_families()]

    assert sorted(code for code in Code if rows.count(code) != 1) == []


def test_every_error_of_a_program_stands_on_one_page() -> None:
    """So has every other code that a person can meet."""
    rows = [code for code, _ in _rows_of_families()]

    assert sorted(code for code in _codes_of_classes() if rows.count(code) != 1) == []


def test_no_page_names_a_code_that_is_gone() -> None:
    """What the pages call a code is one."""
    known = set(Code) | _codes_of_classes()
    named = {code for each in pages() for code in re.findall(r"\bE_[A-Z0-9_]*[A-Z0-9]\b", each.text)}

    assert sorted(named - known) == []


def _codes_of_classes() -> set[str]:
    """`code = "E_..."` in the classes of our errors."""
    found = set()
    for path in own_sources():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            for line in node.body:
                value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
                if isinstance(value, ast.Constant) and str(value.value).startswith("E_"):
                    found.add(str(value.value))
    # And those of what is no class of ours, such as an error of the system.
    return (found | LOCAL_CODES.keys()) - set(Code)


def test_every_alarm_has_a_section() -> None:
    """An alarm that a daemon can raise has a section on a page of alarms, and no other section has one."""
    raised = {*ledger.ALARMS.values(), ledger.DAMAGED, gossip.ALARM, directory_log.DIFFERS}
    raised |= {directory_log.UNLOGGED, *get_args(own_entry.OwnAlarm)}
    for path in sorted((ROOT / "clients" / "daemon").rglob("*.py")):
        raised |= set(re.findall(r"\.(?:clock_)?alarm\(\s*\"(\w+)\"", path.read_text(encoding="utf-8")))
    pages = [page(f"docs/runbooks/{name}-alarms.md").text for name in ("unit", "ledger")]
    sections = {name for text in pages for name in re.findall(r"^## ([a-z]\w+)$", text, re.MULTILINE)}

    assert raised
    assert sections == raised


def test_every_metric_has_a_row() -> None:
    """What router and daemon measure stands in the table, with a page where something is to be done."""
    rows = page("docs/runbooks/README.md").rows("Metric", "Watch", "Page")
    named = [row[0].strip("`") for row in rows]

    assert sorted(named) == sorted(_known())
    assert [row[0] for row in rows if not row[2] and not row[1].startswith("for information")] == []


def test_no_page_names_a_metric_that_is_gone() -> None:
    """What the pages call a metric is one."""
    known = _known()
    named = {name for each in pages() for name in re.findall(r"\bcontrada_[a-z_]+\b", each.text)}

    assert sorted(named - known) == []


def _metrics(registry: CollectorRegistry) -> set[str]:
    return {
        f"{family.name}_total" if family.type == "counter" else family.name for family in registry.collect()
    }


def _known() -> set[str]:
    """What our processes name themselves, on whichever page."""
    registries = [process_registry(), *(kind.create().registry for kind in METRICS)]
    return {name for one in registries for name in _metrics(one) if name.startswith("contrada_")}


def test_every_code_of_the_policy_is_on_its_page() -> None:
    """The codes of rules that no other family has stand on the page of the rules."""
    on_page = {code for code, name in _rows_of_families() if name == "codes-policy.md"}
    elsewhere = {code for code, name in _rows_of_families() if name != "codes-policy.md"}
    source = (ROOT / "protocol" / "exchange_rules.py").read_text(encoding="utf-8")
    used = set(re.findall(r"Code\.(E_\w+)", source))

    assert len(RULES) > 10
    assert sorted(used - on_page - elsewhere) == []
    assert sorted(on_page - used) == []
