"""The package's one Logger and one Metrics: log no header, secret, signature or body."""

import warnings
from typing import Final

from aws_lambda_powertools import Logger, Metrics

# Many invocations have nothing to count: they need no warning in the log.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger: Final = Logger(use_rfc3339=True)  # Lambda reads no other form of time in a JSON line
metrics: Final = Metrics(namespace="CodatHub")
