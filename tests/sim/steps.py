"""A whole step of the router at once, as broker/router/loop.py runs it when nobody else wants a turn."""

from __future__ import annotations

from collections.abc import Sequence

from broker.router.step import Budget, ParsedRecord, Step, StepContext, StepOutcome
from protocol.envelope.quotas import Use
from protocol.envelope.replay import ReplayState


def run_step(
    records: Sequence[ParsedRecord],
    *,
    state: ReplayState,
    context: StepContext,
    budget: Budget,
    use: Use | None = None,
) -> StepOutcome:
    """Decide as many records as the budget allows, from the first on, and sign the whole."""
    step = Step(state=state, context=context, budget=budget, use=use)
    for parsed in records:
        step.decide(parsed)
        if step.is_full:
            break
    return step.sign()
