"""Every test has an environment of its own, so that no real account is ever reached."""

import os
from collections import Counter
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.support.aws import REGION, SERVICE

# Powertools reads it once, when telemetry is imported, which is while tests are collected.
os.environ["POWERTOOLS_SERVICE_NAME"] = SERVICE
# A busy machine can stop a process for longer than Hypothesis allows for an example.
settings.register_profile(
    "busy machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


@pytest.fixture(autouse=True, scope="session")
def no_real_account():
    """Replace the environment by fake credentials and the few variables that tools need."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    fake = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": SERVICE,
    }
    with mock.patch.dict(os.environ, kept | fake, clear=True):
        yield


class SystemTogether(LoadScopeScheduling):
    """One worker runs all system tests, on one stack; other tests are scheduled by file."""

    def _split_scope(self, nodeid):
        return "tests/system" if nodeid.startswith("tests/system/") else nodeid.partition("::")[0]


def pytest_collection_modifyitems(items):
    """Refuse two tests with one id: xdist would run one of them and pass over the other."""
    counts = Counter(item.nodeid for item in items)
    if repeated := [nodeid for nodeid, count in counts.items() if count > 1]:
        raise pytest.UsageError(f"tests with the same id: {', '.join(repeated)}")


def pytest_xdist_make_scheduler(config, log):
    return SystemTogether(config, log)
