"""The package's one Logger and one Metrics: log no header, secret, signature or body."""

import warnings
from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

# Many invocations have nothing to count: they need no warning in the log.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger: Final = Logger(use_rfc3339=True)  # Lambda reads no other form of time in a JSON line
metrics: Final = Metrics(namespace="CodatHub")


def count(name: str, value: float = 1) -> None:
    """Add to a count of this invocation."""
    metrics.add_metric(name, MetricUnit.Count, value)


def count_by(name: str, value: float = 1, **dimensions: str) -> None:
    """Count apart from the invocation's other metrics, by these dimensions and the stack."""
    with single_metric(name, MetricUnit.Count, value, namespace=metrics.namespace) as metric:
        for dimension, text in {"service": logger.service, **dimensions}.items():
            metric.add_dimension(dimension, text)
