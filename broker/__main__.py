"""`python -P -m broker`, and what `contrada router run` calls."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop
from pydantic import ValidationError

from broker import app, logs
from broker.errors import Misconfigured
from broker.settings import RouterSettings
from protocol.errors import ContradaError


def main(config: Path | None, *, check_only: bool = False) -> int:
    """Run a router; 0 after an orderly end, 2 for wrong settings, 8 when something is not to be had."""
    try:
        settings = RouterSettings.load(config)
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            _say(f"contrada: router setting '{where}': {problem['msg'].lower()}")
        return 2
    except Misconfigured as error:
        return _complain(error, 2)
    logs.configure(settings.log_level)
    try:
        if check_only:
            app.build(settings)
            _say("the settings are complete and the keys open")
        else:
            uvloop.run(app.run(settings))
    except Misconfigured as error:
        return _complain(error, 2)
    except ContradaError as error:
        return _complain(error, 8)
    return 0


def _complain(error: ContradaError, code: int) -> int:
    _say(f"contrada: {error}")
    if error.hint:
        _say(f"hint: {error.hint}")
    return code


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
