"""From the text of a document to plain data: YAML or JSON.

Every scalar of YAML is text here. YAML 1.1 would make `no` a boolean, `010` an 8 and `2026-01-01` a date, also where
an id or a tag's value is meant; what a field's text means is for the field to say (`fields`).
"""

import json
from contextlib import suppress
from typing import Any

import yaml

from replicator.rules.errors import RulesError

MAX_BYTES = 256 * 1024
"""Largest document. Secret Manager holds 64 KiB (https://cloud.google.com/secret-manager/quotas)."""


def read_document(content: str | bytes) -> object:
    """The document as mappings, lists, text and, in JSON, numbers and booleans; `None` stands for nothing at all.

    Raises `RulesError`, which names the line.
    """
    text = _decoded(content)
    try:
        return _read_json(text) if text.lstrip()[:1] in ("{", "[") else _read_yaml(text)
    except RecursionError:
        raise RulesError(["the document is nested too deeply"]) from None


def _decoded(content: str | bytes) -> str:
    try:
        encoded = content.encode() if isinstance(content, str) else content
        if len(encoded) > MAX_BYTES:
            raise RulesError([f"the document is larger than {MAX_BYTES // 1024} KiB"])
        return encoded.decode("utf-8-sig")
    except UnicodeError:
        raise RulesError(["the document is not UTF-8"]) from None


def _read_json(text: str) -> object:
    """What begins like JSON may also be YAML's flow style. If it is neither, JSON was meant."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        with suppress(yaml.YAMLError):
            return _Loader(text).get_single_data()
        raise RulesError([f"line {error.lineno}: not valid JSON"]) from None
    except ValueError:
        raise RulesError(["the document holds a number that is too long"]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RulesError([f"the field {shown(name)} is given twice in one place"])
        found[name] = value
    return found


def _read_yaml(text: str) -> object:
    try:
        return _Loader(text).get_single_data()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RulesError([f"line {line}: a character that YAML does not allow"]) from None
    except yaml.MarkedYAMLError as error:
        # Not the error's text: it may quote what it stands at.
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise RulesError([f"{where}{_PROBLEMS.get(type(error), 'not valid YAML')}"]) from None


_PROBLEMS: dict[type[yaml.MarkedYAMLError], str] = {
    yaml.composer.ComposerError: "an alias without its anchor, an anchor given twice, or a second document",
    yaml.constructor.ConstructorError: "an alias within what it stands for",
}


class _Loader(yaml.BaseLoader):
    """Builds nothing but dict, list, str and None, whatever tag a node has."""

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        plain = node.style is None
        return None if plain and node.value in ("", "~", "null", "Null", "NULL") else super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            name = self.construct_object(key_node, deep=deep)
            line = f"line {key_node.start_mark.line + 1}"
            if not isinstance(name, str):
                raise RulesError([f"{line}: the name of a field is not text"])
            if name in found:
                raise RulesError([f"{line}: the field {shown(name)} is given twice in one place"])
            found[name] = self.construct_object(value_node, deep=deep)
        return found


def shown(text: str) -> str:
    """A text of somebody else's, short and in quotes, for a message."""
    return json.dumps(text if len(text) <= 100 else f"{text[:100]}…", ensure_ascii=False)
