"""Google's own descriptions of its APIs, as google-api-python-client ships them, and checking a document against one.

https://developers.google.com/discovery/v1/reference/apis describes the descriptions.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def faults(document: Any, api: str, kind: str) -> list[str]:
    """What of the document the API, such as `run.v1`, does not know as a part of that kind of resource."""
    found = _validator(api, kind).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


@cache
def _validator(api: str, kind: str) -> Draft202012Validator:
    text = files("googleapiclient.discovery_cache.documents").joinpath(f"{api}.json").read_text()
    defined = {name: _strict(schema) for name, schema in json.loads(text)["schemas"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": defined})


def _strict(described: Schema) -> Schema:
    """The same as a JSON Schema that admits no field that is not described."""
    if "$ref" in described:
        return {"$ref": f"#/$defs/{described['$ref']}"}
    match described["type"]:
        case "object":
            fields = {name: _strict(field) for name, field in described.get("properties", {}).items()}
            others = described.get("additionalProperties")
            return {
                "type": "object",
                "properties": fields,
                "additionalProperties": _strict(others) if others else False,
            }
        case "array":
            return {"type": "array", "items": _strict(described["items"])}
        case "any":
            return {}
        case "string" if described.get("format") in ("int64", "uint64"):
            return {"type": ["string", "integer"]}
        case kind:
            return {"type": kind, **({"enum": described["enum"]} if "enum" in described else {})}
