"""What Prometheus is to ask in the demo: a port for each daemon, and settings with every process in them.

Owns `prometheus.yml` in the directory of the demo. The rules are those of deploy/prometheus, from a checkout.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from runtime.files import replace_file

RULES: Final = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"

Target = tuple[str, str, str]
"""The job, the port, and the unit whose process it is; no unit at the centre."""


def give_port(home: Path, port: int) -> None:
    """Let the daemon of this home be asked at this port."""
    settings = home / "conf.d" / "monitoring.toml"
    settings.parent.mkdir(mode=0o700, exist_ok=True)
    replace_file(settings, f"http_port = {port}\n".encode())


def port_in(settings: Path, name: str = "http_port") -> str:
    """The port for monitoring that these settings name."""
    with settings.open("rb") as file:
        return str(tomllib.load(file)[name])


def targets(*, centre: Path, homes: Iterable[tuple[str, Path]], witnesses: Iterable[str]) -> list[Target]:
    """Every process that can be asked."""
    found = [
        (f"contrada-{name}", port_in(settings), "")
        for name in ("router", "ledger")
        if (settings := centre / f"{name}.toml").exists()
    ]
    found.append(("contrada-centre", port_in(centre / "centre.toml", "watch_port"), ""))
    if (console := centre / "console" / "console.toml").exists():
        found.append(("contrada-console", port_in(console), ""))
    for unit, home in homes:
        found.append(("contrada-unit", port_in(home / "conf.d" / "monitoring.toml"), unit))
        if unit in witnesses:
            found.append(("contrada-witness", port_in(home / "witness" / "witness.toml"), unit))
    return found


def scrape_settings(asked: Iterable[Target], *, every: str = "5s", rules: Path = RULES) -> str:
    """The text of a prometheus.yml."""
    by_job: dict[str, list[object]] = {}
    for job, port, unit in asked:
        labels = {"labels": {"unit": unit}} if unit else {}
        by_job.setdefault(job, []).append({"targets": [f"127.0.0.1:{port}"]} | labels)
    # JSON is YAML.
    return json.dumps(
        {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(path) for path in sorted(rules.glob("*.yml")) if path.stem != "prometheus"],
            "scrape_configs": [{"job_name": job, "static_configs": here} for job, here in by_job.items()],
        },
        indent=2,
    )
