"""boto3's errors become Unavailable, and other errors stay what they are."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from codat_hub.errors import Unavailable
from codat_hub.storage.aws import unavailable


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem"),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
    ],
    ids=["refused", "no answer"],
)
def test_a_failed_request_says_what_did_not_happen_and_keeps_its_cause(fault):
    with (
        pytest.raises(Unavailable, match=r"^the state was not read: ") as raised,
        unavailable("the state was not read"),
    ):
        raise fault
    assert raised.value.__cause__ is fault


def test_a_fault_of_the_hub_is_not_taken_for_one_of_aws():
    with pytest.raises(KeyError), unavailable("the state was not read"):
        raise KeyError("a")
