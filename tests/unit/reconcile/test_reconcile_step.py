"""A company that Codat cannot answer for delays a run and does not stop it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from codat_hub.codat.errors import NotFound, RateLimited, TryLater, Unauthorized
from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
from codat_hub.reconcile.usecases.reconcile_step import PATIENCE, patiently

RUN = ReconcileRun("r", "ann", datetime(2026, 11, 22, 12, tzinfo=UTC))
LAST_TRY = replace(RUN, failures=PATIENCE)


def raising(error):
    def ask():
        raise error

    return ask


def test_an_answer_is_passed_on():
    assert patiently(RUN, lambda: "answer") == "answer"


def test_a_company_that_is_not_there_is_none_at_once():
    assert patiently(RUN, raising(NotFound())) is None


def test_a_failure_interrupts_the_step_until_it_has_failed_often_enough():
    with pytest.raises(TryLater):
        patiently(replace(LAST_TRY, failures=PATIENCE - 1), raising(TryLater()))
    assert patiently(LAST_TRY, raising(TryLater())) is None


@pytest.mark.parametrize("error", [RateLimited(), Unauthorized()])
def test_a_failure_of_the_whole_client_is_never_passed_over(error):
    with pytest.raises(type(error)):
        patiently(LAST_TRY, raising(error))
