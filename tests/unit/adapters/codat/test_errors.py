"""The exceptions as contracts: they travel, they are bounded, they load nothing."""

import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codat_hub import errors
from codat_hub.domain.quota import Quota

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.CallFailed)
]
FUNCTIONS = Path(__file__).parents[4] / "functions"


@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_keeps_its_facts_when_it_is_copied_to_another_process(kind):
    original = kind(
        "text",
        status=429,
        call="GET /companies",
        correlation_id="abc",
        retry_after=timedelta(seconds=5),
        retry_at=datetime(2026, 1, 1, tzinfo=UTC),
        quota=Quota(1, 2),
    )
    copy = pickle.loads(pickle.dumps(original))  # noqa: S301 (made here)
    assert type(copy) is kind
    assert vars(copy) == vars(original)
    assert str(copy) == "GET /companies | HTTP 429 | text | correlation id abc"


def test_an_exception_needs_no_more_than_a_text():
    assert str(errors.TryLater("the table is throttled")) == "the table is throttled"
    assert str(errors.TryLater()) == ""


def test_the_names_are_wire_format_so_a_change_here_is_a_change_of_the_state_machine():
    assert {kind.__name__ for kind in KINDS} == {
        "Busy",
        "CallFailed",
        "Forbidden",
        "KeyReused",
        "NotFound",
        "NotUnderstood",
        "OutcomeUnknown",
        "Permanent",
        "RateLimited",
        "StillSyncing",
        "TryLater",
        "Unauthorized",
    }


def test_the_webhook_path_can_import_the_errors_without_httpx_or_pydantic():
    code = "import sys, codat_hub.errors; print(sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(FUNCTIONS)},
    )
    loaded = set(done.stdout.translate(str.maketrans("[],'", "    ")).split())
    assert not {"httpx", "pydantic", "boto3", "botocore", "dataclasses", "datetime"} & loaded
