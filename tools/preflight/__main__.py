"""`python -m tools.preflight ENV [--json] [--deploying]`: a table of checks, ✓ ✗ and what to do."""

from tools.starting import INTERRUPTED, importing

with importing():
    import argparse
    import json
    import sys
    from collections.abc import Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import asdict
    from typing import Final

    from botocore.exceptions import BotoCoreError, ClientError

    from tools.preflight import account_checks, codat_checks, stack_checks
    from tools.preflight.check import Check, State, failed, guarded, passed
    from tools.preflight.target import Target, target_of

ENVIRONMENTS: Final = ("local", "dev", "test", "staging", "prod")
AWS: Final[dict[str, Callable[[Target], list[Check]]]] = {
    "parameters": account_checks.parameter_values,
    "region": account_checks.region_has_services,
    "who may deploy": account_checks.may_deploy,
    "API Gateway's logging role": account_checks.access_log_role,
    "Lambda concurrency": account_checks.lambda_concurrency,
    "quotas": account_checks.room,
    "stack name": stack_checks.stack_name,
    "stack": stack_checks.state,
    "names": stack_checks.names,
    "references": stack_checks.references,
}
_MARKS: Final = {State.PASSED: "✓", State.FAILED: "✗", State.UNKNOWN: "?"}
_SIGN_IN: Final = "Log in (aws sso login), or set AWS_PROFILE to a profile of this account."


def preflight(target: Target) -> tuple[list[Check], list[Check]]:
    """Return the checks of the AWS account, and those of Codat's side."""
    try:
        identity = target.client("sts").get_caller_identity()
        target = target.with_stack(identity["Account"])
    except (ClientError, BotoCoreError) as error:
        return [failed("credentials", str(error), _SIGN_IN)], []
    if (partition := identity["Arn"].split(":")[1]) != "aws":
        then = "Use an account of the partition aws: others are not tried."
        return [failed("credentials", f"the account is in the partition {partition}", then)], []
    who = passed("credentials", f"{identity['Arn']}, account {target.account}")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(guarded, "Codat", lambda: codat_checks.codat(target))
        looks = [pool.submit(guarded, name, _bound(look, target)) for name, look in AWS.items()]
        return [who, *(check for look in looks for check in look.result())], asked.result()


def _bound(look: Callable[[Target], list[Check]], target: Target) -> Callable[[], list[Check]]:
    return lambda: look(target)


def table(target: Target, checks: Sequence[Check]) -> str:
    """Return the checks as lines, each with what to do below it."""
    width = max(len(check.name) for check in checks)
    lines = [f"Preflight of {target.environment}: stack {target.name} in {target.region}"]
    for check in checks:
        lines.append(f"  {_MARKS[check.state]} {check.name:<{width}}  {check.found}")
        if check.next:
            lines.append(f"      Next: {check.next}")
    return "\n".join(lines)


def as_json(target: Target, checks: Sequence[Check]) -> str:
    return json.dumps(
        {
            "environment": target.environment,
            "stack": target.name,
            "region": target.region,
            "passed": not _failing(checks),
            "checks": [asdict(check) for check in checks],
        },
        indent=2,
        ensure_ascii=False,
    )


def _failing(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.state is State.FAILED]


def main(words: Sequence[str] | None = None) -> int:
    """Return 0 if nothing failed, 1 otherwise."""
    parser = argparse.ArgumentParser("python -m tools.preflight", description=__doc__)
    parser.add_argument("environment", choices=ENVIRONMENTS)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--deploying", action="store_true", help="let only the checks of AWS decide the exit code"
    )
    given = parser.parse_args(words)
    try:
        target = target_of(given.environment)
    except FileNotFoundError:
        print("The local stack is not up. Start it with: make up", file=sys.stderr)
        return 1
    of_aws, of_codat = preflight(target)
    show = as_json if given.json else table
    print(show(target, [*of_aws, *of_codat]))
    return 1 if _failing(of_aws if given.deploying else [*of_aws, *of_codat]) else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
