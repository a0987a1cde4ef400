"""Changes of the consent ledger become objects under lock: from moto's stream to moto's S3."""

import copy
import importlib
import json
import sys
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.domain.consent import Consent, ConsentEntry
from tests.support.aws import REGION, Context
from tools.simulation.tables import create_table
from tools.template import RESOURCES

MODULE = "codat_hub.handlers.archive_consents"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONSENT = Consent("lending", NOON, "the owner", "v1", ("invoices",))


@pytest.fixture
def s3(aws):
    """S3 with a bucket that has the lock of the template."""
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(
        Bucket="audit",
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectLockEnabledForBucket=True,
    )
    lock = copy.deepcopy(RESOURCES["AuditBucket"]["Properties"]["ObjectLockConfiguration"])
    lock["Rule"]["DefaultRetention"]["Days"] = 30
    client.put_object_lock_configuration(Bucket="audit", ObjectLockConfiguration=lock)
    return client


@pytest.fixture
def module(s3, monkeypatch):
    monkeypatch.setenv("AUDIT_BUCKET", "audit")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return importlib.import_module(MODULE)


@pytest.fixture
def records(dynamodb):
    """Record a consent and its revocation; return the stream's records as Lambda gets them."""
    table = create_table(dynamodb, "ConsentsTable")
    ledger = ConsentLedger(dynamodb, table)
    assert ledger.append("c1", ConsentEntry(1, CONSENT, "ann"))
    assert ledger.append("c1", ConsentEntry(2, CONSENT, "bob", "asked to"))
    stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    streams = boto3.client("dynamodbstreams", region_name=REGION)
    (shard,) = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found = streams.get_records(ShardIterator=iterator)["Records"]
    for record in found:
        record["dynamodb"]["ApproximateCreationDateTime"] = NOON.timestamp()
        record["eventSource"] = "aws:dynamodb"
    return found


def objects(s3):
    return sorted(found["Key"] for found in s3.list_objects_v2(Bucket="audit").get("Contents", []))


def test_each_change_is_an_object_with_the_whole_item(module, s3, records):
    assert module.handler({"Records": records}, Context()) == {"batchItemFailures": []}
    keys = objects(s3)
    assert len(keys) == 2
    assert all(key.startswith("consents/2026-11-22/") for key in keys)
    kept = [json.load(s3.get_object(Bucket="audit", Key=key)["Body"]) for key in keys]
    by = {change["dynamodb"]["NewImage"]["by"]["S"] for change in kept}
    assert ({change["eventName"] for change in kept}, by) == ({"INSERT"}, {"ann", "bob"})


def test_no_version_can_be_deleted_and_a_repeated_record_takes_nothing_away(module, s3, records):
    for _ in range(2):
        module.handler({"Records": records[:1]}, Context())
    (key,) = objects(s3)
    versions = s3.list_object_versions(Bucket="audit", Prefix=key)["Versions"]
    bodies = set()
    for version in versions:
        named = {"Bucket": "audit", "Key": key, "VersionId": version["VersionId"]}
        bodies.add(s3.get_object(**named)["Body"].read())
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(**named)
    assert len(bodies) == 1


def test_an_overwritten_or_deleted_entry_leaves_its_old_item_behind(module, s3, records):
    removed = copy.deepcopy(records[0])
    removed["eventName"] = "REMOVE"
    removed["dynamodb"]["OldImage"] = removed["dynamodb"].pop("NewImage")
    module.handler({"Records": [removed]}, Context())
    (key,) = objects(s3)
    kept = json.load(s3.get_object(Bucket="audit", Key=key)["Body"])
    assert (kept["eventName"], kept["dynamodb"]["OldImage"]["by"]["S"]) == ("REMOVE", "ann")


def test_without_an_answer_of_s3_only_that_record_comes_again(module, s3, records):
    client = module.archive._client
    with Stubber(client) as stub:
        stub.add_client_error("put_object", "SlowDown", http_status_code=503)
        stub.add_response("put_object", {})
        answer = module.handler({"Records": records}, Context())
    first = records[0]["dynamodb"]["SequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": first}]}
