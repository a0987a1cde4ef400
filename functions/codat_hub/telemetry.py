"""The one Logger and the one Metrics. Never log a header, a secret, a signature or a body."""

import warnings
from typing import Final

from aws_lambda_powertools import Logger, Metrics

# An invocation that had nothing to count is an ordinary one: not a line of warning in its log.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger: Final = Logger(use_rfc3339=True)  # Lambda reads the time of a JSON line in this form only
metrics: Final = Metrics(namespace="CodatHub")
