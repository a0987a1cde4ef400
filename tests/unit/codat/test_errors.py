"""The exceptions as contracts: they can be copied, their texts are bounded, imports are light."""

import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codat_hub.codat import errors
from codat_hub.codat.domain.quota import Quota

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.CallFailed)
]
FUNCTIONS = Path(__file__).parents[3] / "functions"


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


def test_an_exception_needs_only_a_text():
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


def imported_by(module):
    """Return the modules that a fresh interpreter with an empty environment loads for `module`."""
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(FUNCTIONS)},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["errors", "codat.errors", "codat.domain.idempotency", "codat.domain.quota"]
)
def test_the_webhook_function_and_the_domain_import_light_modules_only(module):
    loaded = imported_by(f"codat_hub.{module}")
    assert "codat_hub" in loaded
    assert not {"httpx", "pydantic", "pydantic_core", "boto3", "botocore"} & loaded


@pytest.mark.parametrize("module", ["client", "transport", "api_key"])
def test_the_client_can_be_imported_with_nothing_in_the_environment(module):
    assert "codat_hub" in imported_by(f"codat_hub.codat.adapters.{module}")
