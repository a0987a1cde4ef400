"""A resend is over in each of its last states and in no other."""

import pytest

from codat_hub.product_events.domain.resend import Resend, ResendStatus, TimeSpan
from tests.support.histories import at


@pytest.mark.parametrize("status", ResendStatus)
def test_it_is_over_once_it_is_complete_cancelled_or_failed(status):
    resend = Resend("r", "lending", TimeSpan(at(1), at(2)), status)
    assert resend.over is (status.value in {"complete", "cancelled", "failed"})
