"""Every metric that the code counts is explained to operators, and every alarm's metric exists."""

import ast
import re

from codat_hub.product_events.domain.read_state import ProjectionOutcome
from codat_hub.rate_limiting.domain.breaker import Cause
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.ticket import OPEN, TicketStatus
from codat_hub.webhooks.receive_webhook import DeliveryOutcome
from tests.support.refresh_worker import kinds
from tools.samconfig import ROOT
from tools.template import resources

# The first argument of a call of these is the name of a metric.
COUNTING = {"count", "count_by", "metrics.add_metric", "single_metric"}


# The beginning of the names that the code puts together -> every end.
ENDINGS = {
    "webhook_": {*DeliveryOutcome, "refused", "too_large", "unavailable"},
    "projected_": {
        *ProjectionOutcome,
        *("applied", "unchanged", "ignored", "quarantined", "parked"),
    },
    "refresh_": {
        *kinds(),
        *("accepted", "wrong_client", "stale", "already_read"),
        *(set(TicketStatus) - OPEN),
        *Waits,
    },
    "breaker_opened_": set(Cause),
    "breaker_open_": set(Cause),
    "reconcile_": {"complete", "failed"},
}


def names_of(argument):
    """Return the metrics that the first argument of a count may name."""
    match argument:
        case ast.Constant(value=str(name)):
            return {name}
        case ast.Constant():
            return set()  # itertools.count
        case ast.IfExp(body=first, orelse=second):
            return names_of(first) | names_of(second)
        case ast.JoinedStr(values=[ast.Constant(value=start), ast.FormattedValue()]):
            return {f"{start}{end}" for end in ENDINGS[start]}
    raise AssertionError(f"which metrics are {ast.unparse(argument)}?")


def counted():
    """Return the names of all metrics that the functions count."""
    found = set()
    for path in (ROOT / "functions").rglob("*.py"):
        if path.name == "telemetry.py":  # it passes names on
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in COUNTING:
                named = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
                for argument in (node.args[:1] or named)[:1]:
                    found |= names_of(argument)
    return found


def explained():
    """Return the metrics in the first columns of the tables under "Metrics", each time."""
    found = []
    for page in ("watch.md", "refreshes.md"):
        text = (ROOT / "docs/operate" / page).read_text().partition("\n## Metrics\n")[2]
        rows = re.findall(r"^\| (`.+?) \|", text.partition("\n## ")[0], re.MULTILINE)
        found += [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    return found


def test_operators_find_an_explanation_of_every_metric_and_of_no_other():
    assert sorted(explained()) == sorted(counted())


def test_every_alarm_on_a_metric_of_the_hub_watches_one_that_is_counted():
    alarms = [body["Properties"] for body in resources("AWS::CloudWatch::Alarm").values()]
    names = [alarm["MetricName"] for alarm in alarms if alarm.get("Namespace") == "CodatHub"]
    ours = {name for name in names if isinstance(name, str)}  # else it is made from an access log
    assert len(ours) > 10
    assert ours - counted() == set()
