"""Grafana's boards, as code: `python -m deploy.grafana.boards` writes the files beside this one.

Owns the form that Grafana reads; what the boards show is in panels.py. Plain dictionaries: the libraries for
this call themselves early. A test holds the files against this module, and each question against a running
exchange.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from deploy.grafana.panels import BOARDS, Board, Panel

HERE: Final = Path(__file__).resolve().parent
WIDTH: Final = 24
"""Columns of a board."""


def board_of(board: Board) -> dict[str, Any]:
    """What Grafana imports."""
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["contrada"],
        "timezone": "browser",
        "refresh": "30s",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_SOURCE, *([_UNIT] if board.by_unit else [])]},
        "panels": list(_panels(board.panels)),
    }


_SOURCE: Final = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_UNIT: Final = {
    "name": "unit",
    "label": "Unit",
    "type": "query",
    "datasource": {"type": "prometheus", "uid": "${source}"},
    "query": "label_values(contrada_unit_kafka_up, unit)",
    "refresh": 2,
    "includeAll": True,
    "allValue": ".*",
}


def _panels(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Side by side, and below where there is no room."""
    x = y = tall = 0
    for number, panel in enumerate(panels, 1):
        height = 4 if panel.kind == "stat" else 8
        if x + panel.wide > WIDTH or (x and height != tall):
            x, y = 0, y + tall
        tall = height
        yield _panel(panel, number, {"x": x, "y": y, "w": panel.wide, "h": height})
        x += panel.wide


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_above is not None:
        steps.append({"color": "red", "value": panel.bad_above})
    source = {"type": "prometheus", "uid": "${source}"}
    targets = [
        {"refId": chr(65 + index), "datasource": source, "expr": ask, "legendFormat": legend}
        for index, (ask, legend) in enumerate(panel.asks)
    ]
    defaults = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "gridPos": place,
        "datasource": source,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": targets,
    }


def text_of(board: Board) -> str:
    """The file of a board."""
    return json.dumps(board_of(board), indent=1) + "\n"


def main() -> None:
    """Write every board."""
    for board in BOARDS:
        (HERE / f"{board.uid}.json").write_text(text_of(board), encoding="utf-8")


if __name__ == "__main__":
    main()
