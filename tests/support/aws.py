"""AWS gives the code under test a region and the context of an invocation."""

from dataclasses import dataclass

REGION = "eu-west-2"
SERVICE = "codat-hub"


@dataclass
class Context:
    """The context that Lambda gives a handler."""

    function_name: str = "receive-webhook"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:000000000000:function:receive-webhook"
    aws_request_id: str = "request-1"
