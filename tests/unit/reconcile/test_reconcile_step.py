"""A company that Codat gives no answer about costs itself and not the run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from codat_hub.codat.errors import (
    Forbidden,
    NotFound,
    NotUnderstood,
    Permanent,
    RateLimited,
    TryLater,
    Unauthorized,
)
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
from codat_hub.reconcile.usecases.reconcile_step import PATIENCE, Questions

RUN = ReconcileRun("r", "ann", datetime(2026, 11, 22, 12, tzinfo=UTC))
LAST_TRY = replace(RUN, failures=PATIENCE)


def raising(error):
    def ask():
        raise error

    return ask


def asked(run, question):
    questions = Questions(run)
    answer = questions.ask("c1", "sync settings", question)
    return answer, [drift for finding in questions.missed for drift in finding.drift]


def test_an_answer_is_passed_on():
    assert asked(RUN, lambda: "answer") == ("answer", [])


def test_a_company_that_is_not_there_is_none_at_once():
    assert asked(RUN, raising(NotFound())) == (None, [])


def test_a_failure_interrupts_the_step_until_it_has_failed_often_enough():
    with pytest.raises(TryLater):
        asked(replace(LAST_TRY, failures=PATIENCE - 1), raising(TryLater()))
    answer, (drift,) = asked(LAST_TRY, raising(TryLater("down", status=503)))
    assert (answer, drift.kind, drift.company_id) == (None, DriftKind.NOT_CHECKED, "c1")
    assert drift.detail == "sync settings: HTTP 503, down"


@pytest.mark.parametrize("kind", [Permanent, Forbidden, NotUnderstood])
def test_a_lasting_refusal_is_noted_at_once_with_codats_words(kind):
    error = kind("no plan", status=403, correlation_id="x1")
    answer, (drift,) = asked(RUN, raising(error))
    assert (answer, drift.subject) == (None, "sync settings")
    assert drift.detail == "sync settings: HTTP 403, no plan, correlation id x1"


@pytest.mark.parametrize("error", [RateLimited(), Unauthorized()])
def test_a_failure_of_the_whole_client_is_never_passed_over(error):
    with pytest.raises(type(error)):
        asked(LAST_TRY, raising(error))
