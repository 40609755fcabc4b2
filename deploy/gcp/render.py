"""Prints a template with each `${NAME}` replaced by that variable of the environment, escaped for the string it is in.

JSON's escapes are YAML's, too, inside double quotes. A variable that is not set is an error.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PLACEHOLDER = re.compile(r"\$\{([A-Z0-9_]+)\}")


def rendered(template: str, values: Mapping[str, str]) -> str:
    """The template with the values in it. Raises `KeyError` for one that is missing."""
    return PLACEHOLDER.sub(lambda found: json.dumps(values[found[1]], ensure_ascii=False)[1:-1], template)


if __name__ == "__main__":
    sys.stdout.write(rendered(Path(sys.argv[1]).read_text(encoding="utf-8"), os.environ))
