"""`python -m … .current BUCKET --product P`: prints the newest version of each landed record."""

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote

import boto3

type Line = dict[str, Any]


def newest(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield the newest version of each record, whatever the order of the lines.

    `version` is `modifiedDate`, or the time of the read if the record has none. So a slow full
    load hides nothing newer. Of equal versions the later read counts.
    """
    found: dict[tuple[str, ...], Line] = {}
    names = ("product", "company", "data_type", "connection", "id")
    for line in lines:
        key = tuple(line[name] for name in names)
        known = found.get(key)
        if known is None or _order(known) < _order(line):
            found[key] = line
    yield from found.values()


def landed(s3: Any, bucket: str, **folders: str | None) -> Iterator[Line]:
    """Yield the lines of all files below a folder: `product`, then `company`, then `data_type`."""
    prefix = "product="
    for number, (level, value) in enumerate(folders.items()):
        if not value:
            break
        prefix = f"{prefix if number else ''}{level}={quote(value, safe='')}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for file in page.get("Contents", []):
            levels = [part.partition("=") for part in file["Key"].split("/")[:-1]]
            above = {level: unquote(value) for level, _, value in levels}
            body = s3.get_object(Bucket=bucket, Key=file["Key"])["Body"]
            for line in body.iter_lines():
                yield above | json.loads(line)


def _order(line: Line) -> tuple[str, str]:
    return line["version"], line["read_at"]


def main() -> None:
    """Print one line of JSON for each record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bucket")
    for level in ("product", "company", "data-type"):
        parser.add_argument(f"--{level}")
    asked = parser.parse_args()
    folders = {"product": asked.product, "company": asked.company, "data_type": asked.data_type}
    for line in newest(landed(boto3.client("s3"), asked.bucket, **folders)):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
