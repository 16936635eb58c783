"""The forms of `centre check`: for plugins (of Nagios and its kin), JSON, a page of metrics, for people.

Owns the text alone. Rule: a plugin's answer is one line with nothing in it that ends a line or a field: names
come from the directory and from processes that answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from broker.centre.seen.checking import Answered, Measure, worst_of

_NAMED: Final = 5
"""So many of the things that are wrong are named in a line."""

_UNSAFE: Final = re.compile(r"[|\n\r\"\\=;']|[^\x20-\x7e]")
_LONGEST: Final = 300


def plugin_lines(found: Sequence[Answered]) -> list[str]:
    """The first line says all; each further one has an answer of its own."""
    verdict = worst_of(found)
    wrong = [one for one in found if one.verdict is verdict] if verdict else list(found)
    told = "; ".join(f"{one.what}: {_safe(one.sentence)}" for one in wrong)
    data = " ".join(_performance(measure) for one in found for measure in one.measures)
    head = f"CONTRADA {verdict.name} - {told}"[:_LONGEST] + (f" | {data}" if data else "")
    rest = [f"[{one.verdict.name}] {one.what}: {_safe(one.sentence)}{_some(one.worst)}" for one in found]
    return [head, *(rest if len(found) > 1 else ())]


def metric_lines(found: Iterable[Answered]) -> list[str]:
    """A page of metrics: each verdict, and the number behind it."""
    answered = list(found)
    lines = [
        "# HELP contrada_check_verdict 0 ok, 1 warning, 2 critical, 3 unknown; by what was asked.",
        "# TYPE contrada_check_verdict gauge",
        *(f'contrada_check_verdict{{what="{one.what}"}} {int(one.verdict)}' for one in answered),
    ]
    measures = [measure for one in answered for measure in one.measures]
    if measures:
        lines += [
            "# HELP contrada_check_worst The worst number of what was asked.",
            "# TYPE contrada_check_worst gauge",
            *(f'contrada_check_worst{{what="{one.name}"}} {one.value:g}' for one in measures),
        ]
    return lines


def check_rows(found: Iterable[Answered]) -> list[dict[str, Any]]:
    """For programs that read JSON, and for a table."""
    return [
        {
            "what": one.what,
            "verdict": one.verdict.name.lower(),
            "sentence": one.sentence,
            "worst": list(one.worst),
            "measures": {each.name: each.value for each in one.measures},
        }
        for one in found
    ]


def _performance(one: Measure) -> str:
    # 'label'=value[unit];warn;crit - `x:` is a bound that is fallen below.
    warning, critical = (
        f"{bound:g}{':' if one.bounds.below else ''}" for bound in (one.bounds.warning, one.bounds.critical)
    )
    return f"{one.name}={one.value:g}{one.unit};{warning};{critical}"


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f" ({', '.join(_safe(name) for name in names[:_NAMED])}{more})"


def _safe(text: str) -> str:
    return _UNSAFE.sub("?", text)[:_LONGEST]
