"""The current view is the newest version of each record, by the reader and by the query."""

import json
import re
import sqlite3
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tools.example_consumer.consumer.current import newest
from tools.example_consumer.consumer.landing import _line, as_time
from tools.example_consumer.consumer.sources import source_of
from tools.samconfig import ROOT

README = (ROOT / "tools/example_consumer/README.md").read_text()
START = datetime.fromisoformat("2026-07-01T00:00:00+00:00")
# The same moments in the forms that Codat writes.
FORMS = (
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S"),
    lambda moment: (moment + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
)


def test_a_date_is_a_time_in_any_form():
    times = {as_time(form(START)) for form in FORMS} | {as_time("2026-07-01")}
    assert times == {"2026-07-01T00:00:00.000000+00:00"}
    assert as_time("2026-07-01T00:00:00-01:00") == "2026-07-01T01:00:00.000000+00:00"
    for unreadable in (None, "", "soon", 5, "0001-01-01T00:00:00+14:00"):
        assert as_time(unreadable) is None


@st.composite
def reads(draw):
    """Draw pages of lines as they land, and what is newest of each record.

    A page read later may show older versions, as does a replay of Codat's cache.
    """
    lines, truth = [], {}
    for number in range(draw(st.integers(1, 6))):
        read_at = START + timedelta(minutes=10 * number)
        for record_id in draw(st.sets(st.sampled_from("abc"))):
            hours = draw(st.none() | st.integers(-3, 3))
            record = {"id": record_id, "of": number}
            moment = read_at
            if hours is not None:
                moment = START + timedelta(hours=hours)
                record["modifiedDate"] = draw(st.sampled_from(FORMS))(moment)
            entry = {"data_type": "invoices", "connection_id": "ledger"}
            line = _line(record, source_of("invoices"), entry, as_time(read_at.isoformat()))
            lines.append(line)
            newer = (moment, read_at, record)
            truth[record_id] = max(truth.get(record_id, newer), newer, key=lambda one: one[:2])
    return draw(st.permutations(lines)), {name: found[2] for name, found in truth.items()}


@given(reads())
def test_the_newest_version_counts_in_any_order_of_the_files(drawn):
    lines, truth = drawn
    above = {"product": "p", "company": "c", "data_type": "invoices"}
    found = newest(above | json.loads(line) for line in lines)
    assert {line["id"]: line["record"] for line in found} == truth


@given(reads())
def test_the_query_of_the_readme_says_the_same(drawn):
    lines, truth = drawn
    (select,) = re.findall(r"CREATE VIEW current_records AS\n(.*?);", README, re.DOTALL)
    database = sqlite3.connect(":memory:")
    # Athena has two functions where SQLite has one.
    database.create_function("json_extract_scalar", 2, _scalar)
    database.execute("CREATE TABLE landed (line, product, company, data_type)")
    rows = [(line, "p", "c", "invoices") for line in lines]
    database.executemany("INSERT INTO landed VALUES (?, ?, ?, ?)", rows)
    database.row_factory = sqlite3.Row
    found = list(database.execute(select))
    database.close()
    assert {row["id"]: json.loads(row["record"]) for row in found} == truth


def _scalar(text, path):
    value = json.loads(text)
    for name in path.removeprefix("$.").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if value is None or isinstance(value, str) else json.dumps(value)
