"""AWS keys as tools print them and people write them down."""

import json
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as IniError

from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

PRINTABLE = re.compile(r"[!-~]+")
"""What can be signed with and sent in a header."""


def parse_keys(payload: bytes) -> AwsKeys:
    """The keys in a JSON object or in an ini profile.

    JSON: as `aws sts get-session-token` (`Credentials`), `aws iam create-access-key` (`AccessKey`) or the
    `credential_process` protocol print it, or with the names of the variables or of the profile's settings. Ini: as in
    `~/.aws/credentials`, the profile `default` or the only one.

    Raises `Transient(credentials_unavailable)`, which names what is missing and nothing of what is there: a new version
    of the secret mends it.
    """
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable("is not text") from None
    document = _json_object(text)
    fields = _ini_profile(text) if document is None else document
    key_id, secret = (_field(fields, name) for name in ("AccessKeyId", "SecretAccessKey"))
    if key_id is None or secret is None:
        raise _unusable("lacks AccessKeyId or SecretAccessKey")
    return AwsKeys(key_id, secret, _field(fields, "SessionToken"))


def _json_object(text: str) -> Mapping[str, object] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    nested = document.get("Credentials") or document.get("AccessKey") or document
    return nested if isinstance(nested, dict) else {}


def _ini_profile(text: str) -> Mapping[str, object]:
    # No section is inherited from, as configparser's own DEFAULT would be, and a % in a secret is a %.
    profiles = ConfigParser(default_section="", interpolation=None)
    try:
        profiles.read_string(text)
    except IniError:
        raise _unusable("is neither a JSON object nor an ini profile") from None
    names = profiles.sections()
    name = "default" if "default" in names else names[0] if len(names) == 1 else None
    if name is None:
        raise _unusable("has several profiles, and none is called default" if names else "is empty")
    return dict(profiles[name])


def _field(fields: Mapping[str, object], name: str) -> str | None:
    """The value under any spelling of `name`; an empty one counts as absent."""
    values = [
        value for spelling, value in fields.items() if _plain(spelling) == _plain(name) and value not in (None, "")
    ]
    if not values:
        return None
    value = values[0]
    if any(other != value for other in values):
        raise _unusable(f"gives {name} twice")
    if not (isinstance(value, str) and PRINTABLE.fullmatch(value)):
        raise _unusable(f"has something else than a key as {name}")
    return value


def _plain(spelling: str) -> str:
    """`AccessKeyId`, `accessKeyId`, `aws_access_key_id` and `AWS_ACCESS_KEY_ID` are one name."""
    return spelling.replace("_", "").lower().removeprefix("aws")


def _unusable(problem: str) -> Transient:
    return Transient(Reason.CREDENTIALS_UNAVAILABLE, f"the secret {problem}")
