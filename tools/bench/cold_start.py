"""`make bench` measures a cold start's imports of the webhook function against the least.

Each figure is the median of fresh interpreters that see only the built layer and the built
function. The programs take turns, so that a drift of the machine's speed affects all alike.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tools.build import build_dir

ROUNDS: Final = 21
LIMIT: Final = 1.08
UNAVOIDABLE: Final = """
import boto3
from aws_lambda_powertools import Logger, Metrics
from standardwebhooks import Webhook
Logger()
Metrics(namespace="CodatHub")
boto3.client("dynamodb")
"""
FUNCTION: Final = "import codat_hub.handlers.receive_webhook"
_TIMED: Final = """
import sys, time
sys.path[:0] = {path!r}
began = time.perf_counter()
exec({program!r})
print(time.perf_counter() - began)
"""


def main() -> None:
    built = build_dir("local")
    with tempfile.TemporaryDirectory() as bare:
        for name in ("Dependencies", "ReceiveWebhookFunction"):
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(built / name, Path(bare) / name, ignore=without)
        cases = {
            "unavoidable imports": (UNAVOIDABLE, built),
            "receive_webhook": (FUNCTION, built),
            "receive_webhook, no bytecode": (FUNCTION, Path(bare)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, (program, folder) in cases.items():
                seconds[name].append(_run(program, folder))
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    _show(medians)
    if medians["receive_webhook"] > LIMIT * medians["unavoidable imports"]:
        sys.exit("receive_webhook imports more than its budget allows.")


def _run(program: str, folder: Path) -> float:
    path = [str(folder / "ReceiveWebhookFunction"), str(folder / "Dependencies" / "python")]
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "POWERTOOLS_SERVICE_NAME": "codat-hub",
        "INBOX_TABLE": "inbox",
        "SIGNING_SECRETS_ARN": "secrets",
        "INBOX_RETENTION_DAYS": "45",
        "SECRET_RELOAD_SECONDS": "60",
    }
    # -B writes no bytecode, -I and -S hide site-packages
    command = [sys.executable, "-B", "-I", "-S", "-c", _TIMED.format(path=path, program=program)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _show(medians: dict[str, float]) -> None:
    base = medians["unavoidable imports"]
    table = Table("cold-start imports", "median", "ratio", box=None, padding=(0, 3, 0, 0))
    for name, median in medians.items():
        table.add_row(name, f"{median * 1000:.0f} ms", f"{median / base:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"Median of {ROUNDS} fresh interpreters each. Budget of receive_webhook: {LIMIT}."
    )


if __name__ == "__main__":
    main()
