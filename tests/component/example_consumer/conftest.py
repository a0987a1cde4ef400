"""The example consumer's code, with a sandbox over HTTP and a bucket of moto."""

import boto3
import pytest

from tests.support.aws import REGION
from tests.support.landing_team import BUCKET, PRODUCT, Team
from tests.support.sandbox.running import running
from tools.example_consumer.consumer.sources import SOURCES


@pytest.fixture(scope="session")
def codat():
    """Run a sandbox with a company that has a ledger, a bank, a shop, and one product for all."""
    with running("--failing-share", 0, "--minute-limit", 0, "--read-seconds", 0.01) as sandbox:
        product = {"name": PRODUCT, "dataTypes": list(SOURCES)}
        sandbox.client.put(f"/_sandbox/products/{PRODUCT}", json=product).raise_for_status()
        yield sandbox


@pytest.fixture
def company(codat):
    """Create a company, so that each test has its own; its connections' first reads are over."""
    made = codat.client.post("/companies", json={"name": "Team"}).json()["id"]
    codat.client.put(f"/companies/{made}/products/{PRODUCT}").raise_for_status()
    for platform in ("gbol", "bnkp", "shpq"):
        codat.portal(f"/companies/{made}/link", platformKey=platform)
    codat.portal("/reads/complete", companyId=made, productIdentifier=PRODUCT)
    return made


@pytest.fixture(autouse=True)
def no_faults(codat):
    yield
    codat.client.delete("/_sandbox/faults")


@pytest.fixture
def s3(aws):
    client = boto3.client("s3", region_name=REGION)
    where = {"LocationConstraint": REGION}
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    return client


@pytest.fixture
def team(codat, company, s3):
    return Team(codat, company, s3)
