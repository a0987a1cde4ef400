"""`python -m tools.checks [audit]`: bandit, checkov and zizmor; or pip-audit.

Exceptions stand with their reasons in pyproject.toml, checkov.yaml and .github/zizmor.yml.
"""

from tools.starting import INTERRUPTED, importing

with importing():
    import json
    import os
    import subprocess
    import sys
    import tempfile
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Final

    from tools.checks.resolving import ACCOUNT, REGION, Resolved
    from tools.pinned import NotInstalled, installed
    from tools.samconfig import ROOT

PINS: Final = ROOT / "tools" / "checks" / "requirements.txt"
HOME: Final = ROOT / ".local" / "checks"
# What a bank sets: a key of its own, copies under lock.
_PARAMETERS: Final = {
    "Environment": "prod",
    "AuditRetentionDays": "2557",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0d1e2f3a-0000-4000-8000-000000000000",
}


def template_for_checkov() -> dict[str, object]:
    """Return the template as CloudFormation gets it, which is what checkov can read."""
    resources = Resolved("codat-hub-prod", **_PARAMETERS).resources
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


AUDITED: Final = ("layers/dependencies/requirements.txt", "tools/requirements.txt")


def main(words: Sequence[str]) -> int:
    """Run every check, also after one has failed. Return 0 if all of them passed."""
    try:
        commands = installed(PINS, HOME)
    except NotInstalled as error:
        print(f"The checks cannot be installed:\n{error}", file=sys.stderr)
        return 1
    if list(words) == ["audit"]:
        audit = ["pip-audit", "--require-hashes", "--disable-pip"]
        for pins in AUDITED:
            audit += ["-r", pins]
        return 0 if _passes(commands, audit) else 1
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.json"
        template.write_text(json.dumps(template_for_checkov()))
        failed = [
            words[0]
            for words in (
                ["bandit", "--quiet", "-c", "pyproject.toml", "-r", "functions", "tools"],
                ["checkov", "--config-file", "tools/checks/checkov.yaml", "-f", str(template)],
                ["zizmor", "--offline", "--quiet", "--config", ".github/zizmor.yml", ".github"],
            )
            if not _passes(commands, words)
        ]
    print(f"Failed: {', '.join(failed)}" if failed else "bandit, checkov and zizmor: passed")
    return 1 if failed else 0


def _passes(commands: Path, words: list[str]) -> bool:
    print(f"{words[0]} …", flush=True)
    # checkov and zizmor ask nobody anything
    quiet = {"BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"}
    command = [str(commands / words[0]), *words[1:]]
    return subprocess.run(command, cwd=ROOT, check=False, env=os.environ | quiet).returncode == 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
