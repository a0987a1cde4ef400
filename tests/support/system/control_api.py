"""Signed calls of the deployed control API, by different callers."""

import json
from dataclasses import dataclass
from uuid import uuid4

import httpx
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Credentials("test", "test")


@dataclass(frozen=True)
class Signature(requests.auth.AuthBase):
    """Sign every request with AWS Signature Version 4."""

    region: str
    credentials: Credentials = ROOT

    def headers(self, method, url, body, given):
        signed = AWSRequest(method, url, data=body or b"", headers=given)
        SigV4Auth(self.credentials, "execute-api", self.region).add_auth(signed)
        return dict(signed.headers)

    def __call__(self, request):
        kept = {name: value for name, value in request.headers.items() if name == "Content-Type"}
        request.headers.update(self.headers(request.method, request.url, request.body, kept))
        return request


@dataclass(frozen=True)
class ControlApi:
    """The deployed control API; `call` returns status and body."""

    url: str
    region: str
    credentials: Credentials | None = ROOT

    def call(self, method, path, body=None, key=None):
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if self.credentials is not None:
            signature = Signature(self.region, self.credentials)
            headers = signature.headers(method, self.url + path, data, headers)
        answer = httpx.request(method, self.url + path, content=data, headers=headers, timeout=30)
        return answer.status_code, answer.json()


def as_role(hub, name, policy_arn=None):
    """Return credentials of a new role with one managed policy, or none."""
    name = f"{name}-{uuid4().hex[:8]}"
    iam, sts = hub.client("iam"), hub.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    if policy_arn is not None:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn)
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="ann")["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
