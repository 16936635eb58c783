"""`python -P -m broker`, and what `contrada router run` calls."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pydantic import ValidationError

from broker import app, logs
from broker.settings import RouterSettings
from protocol.errors import ContradaError


def main(config: Path | None, *, check_only: bool = False) -> int:
    """Run a router; 0 after an orderly end, 2 for wrong settings, 8 when something is not to be had."""
    try:
        settings = RouterSettings.load(config)
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            print(f"contrada: router setting '{where}': {problem['msg'].lower()}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    try:
        if check_only:
            app.build(settings)
            print("the settings are complete and the keys open", file=sys.stderr)
        else:
            _runner()(app.run(settings))
    except ContradaError as error:
        print(f"contrada: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 8
    return 0


def _runner():  # type: ignore[no-untyped-def]  # noqa: ANN202
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
