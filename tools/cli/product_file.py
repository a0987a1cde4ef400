"""Reads products.yaml strictly and reports every mistake at once, with its line.

    products:
      <identifier>:
        kind: custom | standard
        name: text                        (what people call it)
        data_types: [text, ...]
        schedule: {expression: text, timezone: text, enabled: true | false}
        team: text
        consent_text_version: text

Only the form of the file is checked here. The control API checks schedules, time zones and data
types; `line_of` finds the line of a field that it refuses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tools.cli.failures import FieldError, Misused

type Json = dict[str, Any]

_TEXT: Final = "tag:yaml.org,2002:str"
_BOOL: Final = "tag:yaml.org,2002:bool"
_NULL: Final = "tag:yaml.org,2002:null"
_TRUE: Final = frozenset({"true", "yes", "on"})  # each of these is `true` in YAML 1.1
_FORM: Final[Json] = {
    "kind": str,
    "name": str,
    "data_types": [str],
    "schedule": {"expression": str, "timezone": str, "enabled": bool},
    "team": str,
    "consent_text_version": str,
}
_KINDS: Final = ("custom", "standard")
_NEEDED: Final = {"": ("kind",), "schedule": ("expression",)}
_TYPE_NAMES: Final = {str: "text", bool: "true or false"}


class Malformed(Misused):
    """The file does not have the form above; `errors` lists every mistake."""

    def __init__(self, path: Path, errors: list[FieldError]) -> None:
        count = f"{len(errors)} problem{'s' if len(errors) > 1 else ''}"
        hint = "Nothing was changed. Correct the file, then give the same command again."
        super().__init__(f"{path} has {count}:", hint, tuple(errors))


@dataclass
class ProductFile:
    """A product file. `products`: identifier -> fields; `lines`: dotted field -> line from 1."""

    path: Path
    products: dict[str, Json] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, name: str) -> int | None:
        """Return the line of a field, or of the nearest field around it."""
        while name and name not in self.lines:
            name = name.rpartition(".")[0]
        return self.lines.get(name)


def load(path: Path) -> ProductFile:
    """Read the file. Raises Malformed with every mistake, Misused if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{path} cannot be read: {error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}" if mark else "file"
        raise Malformed(path, [FieldError(where, f"not YAML: {error.problem}")]) from None
    except RecursionError:
        raise Malformed(path, [FieldError("file", "nested too deeply")]) from None
    except yaml.YAMLError as error:
        raise Malformed(path, [FieldError("file", f"not YAML: {error}")]) from None
    reader = _Reader(ProductFile(path))
    reader.file(root)
    if reader.errors:
        raise Malformed(path, reader.errors)
    return reader.read


class _Reader:
    """Walks the YAML nodes and collects every mistake with its line."""

    def __init__(self, read: ProductFile) -> None:
        self.read = read
        self.errors: list[FieldError] = []

    def file(self, root: yaml.Node | None) -> None:
        if root is None:
            self.errors.append(FieldError("file", "is empty; write `products: {}` for no products"))
            return
        if not isinstance(root, yaml.MappingNode):
            self._wrong(root, "", "must be a mapping with the key `products`")
            return
        for name, value in self._entries(root, "", ("products",)):
            if name == "products":
                self._products(value)
        if not any(key.value == "products" for key, _ in root.value):
            self._wrong(root, "", "the key `products` is missing")

    def _products(self, node: yaml.Node) -> None:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, "products", "must map identifiers to products")
            return
        for identifier, value in self._entries(node, "products", None):
            where = f"products.{identifier}"
            if not isinstance(value, yaml.MappingNode):
                self._wrong(value, where, "must be a product with at least a `kind`")
                continue
            product = self._mapping(value, where, _FORM, "")
            if product.get("kind", "custom") not in _KINDS:
                kind = f"{where}.kind"
                self._wrong(value, kind, "is not a kind of product", product["kind"], _KINDS)
            self.read.products[identifier] = product

    def _mapping(self, node: yaml.Node, where: str, form: Json, name: str) -> Json:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, where, f"must be a mapping with {', '.join(form)}")
            return {}
        found: Json = {}
        for key, value in self._entries(node, where, tuple(form)):
            self._note(value, f"{where}.{key}")
            if _tag(value) == _NULL:
                continue  # a key without a value counts as left out
            wanted = form[key]
            if isinstance(wanted, dict):
                found[key] = self._mapping(value, f"{where}.{key}", wanted, key)
            elif isinstance(wanted, list):
                found[key] = self._texts(value, f"{where}.{key}")
            else:
                found[key] = self._scalar(value, f"{where}.{key}", wanted)
        for needed in _NEEDED[name]:
            if needed not in found:
                self._wrong(node, f"{where}.{needed}", "is missing")
        return found

    def _texts(self, node: yaml.Node, where: str) -> list[str]:
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, where, "must be a list of texts, such as [invoices, payments]")
            return []
        texts = []
        for number, item in enumerate(node.value):
            self._note(item, f"{where}.{number}")
            text = self._scalar(item, f"{where}.{number}", str)
            if text in texts:
                self._wrong(item, where, "is listed twice", text)
            texts.append(text)
        return texts

    def _scalar(self, node: yaml.Node, where: str, wanted: type) -> Any:
        if wanted is bool and _tag(node) == _BOOL:
            return str(node.value).lower() in _TRUE
        if wanted is str and _tag(node) == _TEXT:
            return node.value
        if isinstance(node, yaml.ScalarNode):
            quote = f', such as "{node.value}" in quotes' if wanted is str and node.value else ""
            self._wrong(node, where, f"must be {_TYPE_NAMES[wanted]}{quote}", node.value)
        else:
            self._wrong(node, where, f"must be {_TYPE_NAMES[wanted]}")
        return None

    def _entries(
        self, node: yaml.MappingNode, where: str, allowed: tuple[str, ...] | None
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the allowed entries, each key once."""
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            place = f"{where}.{name}".lstrip(".") if name else where
            if name is None or (allowed is None and _tag(key) != _TEXT):
                self._wrong(key, place, "a key must be text", name)
            elif name in seen:
                self._wrong(key, place, f"appears twice, first on line {seen[name]}")
            elif allowed is not None and name not in allowed:
                self._wrong(key, place, "unknown key", None, allowed)
            else:
                self._note(key, place)
                yield name, value
            if name is not None:
                seen.setdefault(name, _line(key))

    def _note(self, node: yaml.Node, place: str) -> None:
        self.read.lines.setdefault(place, _line(node))

    def _wrong(
        self,
        node: yaml.Node,
        place: str,
        message: str,
        value: object = None,
        allowed: object = None,
    ) -> None:
        where = f"line {_line(node)}" + (f", {place}" if place else "")
        listed = list(allowed) if isinstance(allowed, tuple) else allowed
        self.errors.append(FieldError(where, message, value, listed))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _tag(node: yaml.Node) -> str | None:
    return node.tag if isinstance(node, yaml.ScalarNode) else None
