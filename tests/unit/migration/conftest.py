"""Steps on ports in memory."""

import pytest

from tests.support.migration.step_world import StepWorld


@pytest.fixture
def world():
    return StepWorld()
