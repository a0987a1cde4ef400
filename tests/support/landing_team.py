"""A team that deploys the example consumer: its events, its bucket, and Codat's data."""

from dataclasses import dataclass, field
from itertools import count
from urllib.parse import parse_qsl, quote

from tools.example_consumer.consumer.codat import Codat
from tools.example_consumer.consumer.current import landed, newest
from tools.example_consumer.consumer.landing import Landing
from tools.example_consumer.consumer.sources import SOURCES

PRODUCT = "everything"
BUCKET = "records"


@dataclass
class Team:
    """A team: its events, its bucket, and what Codat has for it."""

    sandbox: object
    company: str
    s3: object
    numbers: count = field(default_factory=count)

    def event(self, *data_types, since=None, **envelope):
        """Return the event of a read of these data types, on every connection that has them."""
        entries = [
            {
                "data_type": data_type,
                "connection_id": connection,
                "status": "Complete",
                "records_modified": True,
                "full_load": since is None,
                "modified_from": since,
            }
            for data_type in data_types
            for connection in [self.connections()[_kind(data_type)]]
        ]
        detail = {
            "version": 1,
            "event_key": f"event-{next(self.numbers)}",
            "company_id": self.company,
            "product": PRODUCT,
            "data_types": entries,
        }
        return {"detail": detail, **envelope}

    def read(self):
        """Let Codat read everything again."""
        about = {"companyId": self.company, "productIdentifier": PRODUCT}
        self.sandbox.portal("/reads/start", **about)
        self.sandbox.portal("/reads/complete", **about)

    def landing(self, **changes):
        key = self.sandbox.ready["api_key"]
        given = {
            "codat": Codat(self.sandbox.ready["url"], lambda: key, pause=0),
            "s3": self.s3,
            "bucket": BUCKET,
            "page_size": 2,
            "data_types": frozenset(),
            "has_time": lambda: True,
        }
        return Landing(**given | changes)

    def calls(self):
        """Return the paths and queries of the company's data reads so far."""
        return [
            (request["path"], dict(parse_qsl(request["query"])))
            for request in self.sandbox.client.get("/_sandbox/requests").json()
            if f"/companies/{self.company}/" in request["path"] and "/data/" in request["path"]
        ]

    def files(self):
        return [
            found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        ]

    def current(self):
        """Return the records of the current view, by data type."""
        view = {}
        for line in newest(landed(self.s3, BUCKET, product=PRODUCT, company=self.company)):
            view.setdefault(line["data_type"], []).append(line["record"])
        return {data_type: _sorted(records) for data_type, records in view.items()}

    def truth(self, data_type):
        """Return Codat's records of a data type, in one page."""
        paths = [SOURCES[data_type].path]
        if "{account}" in paths[0]:
            accounts = [account["id"] for account in self.truth("bankAccounts")]
            paths = [paths[0].format(account=quote(account)) for account in accounts]
        base = f"/companies/{self.company}"
        if SOURCES[data_type].by_connection:
            base += f"/connections/{self.connections()[_kind(data_type)]}"
        found = []
        for path in paths:
            query = {"pageSize": 2000, "periodLength": 1, "periodsToCompare": 24}
            answer = self.sandbox.client.get(f"{base}/data/{path}", params=query)
            body = answer.raise_for_status().json()
            found += body.get("results", [body])
        return _sorted(found)

    def connections(self):
        found = self.sandbox.client.get(f"/companies/{self.company}").json()["dataConnections"]
        return {connection["sourceType"]: connection["id"] for connection in found}


def _kind(data_type):
    for prefix, kind in (("banking-", "Banking"), ("commerce-", "Commerce")):
        if data_type.startswith(prefix):
            return kind
    return "Accounting"


def _sorted(records):
    return sorted(records, key=repr)
