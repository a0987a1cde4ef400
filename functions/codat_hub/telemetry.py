"""The one Logger and the one Metrics. Never log a header, a secret, a signature or a body."""

from typing import Final

from aws_lambda_powertools import Logger, Metrics

logger: Final = Logger(use_rfc3339=True)  # Lambda reads the time of a JSON line in this form only
metrics: Final = Metrics(namespace="CodatHub")
