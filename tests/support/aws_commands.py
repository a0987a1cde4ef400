"""Follows the advice of a preflight to the letter: runs its `aws …` commands, without the CLI."""

import re
import shlex

_SERVICES = {"s3api": "s3"}


def commands_of(advice):
    """Return the aws commands in a text; none if the advice is of another kind."""
    found = re.search(r"aws [a-z].*", advice)
    return [shlex.split(command) for command in found[0].split("&&")] if found else []


def follow(advice, client):
    """Run every aws command of the advice with `client(service)`."""
    commands = commands_of(advice)
    assert commands, advice
    for _, service, operation, *words in commands:
        of = client(_SERVICES.get(service, service))
        method = operation.replace("-", "_")
        shape = of.meta.service_model.operation_model(of.meta.method_to_api_mapping[method])
        getattr(of, method)(**_arguments(words, shape.input_shape.members))


def _arguments(words, members):
    """Return the options as boto3's arguments, by the service's own model."""
    spelt = {name.lower(): name for name in members}
    arguments, words = {}, list(words)
    while words:
        option = words.pop(0).removeprefix("--")
        if option == "region":
            words.pop(0)
            continue
        switched_off = option.startswith("no-")
        name = spelt[option.removeprefix("no-").replace("-", "")]
        match members[name].type_name:
            case "boolean":
                arguments[name] = not switched_off
            case "float" | "double":
                arguments[name] = float(words.pop(0))
            case _:
                arguments[name] = words.pop(0)
    return arguments
