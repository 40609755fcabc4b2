"""README's examples, run as they are printed against what `make run` starts."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from replicator.dev.rules import SOURCE_BUCKET
from replicator.dev.samples import HELLO, HELLO_TEXT
from replicator.dev.stack import Stack

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLES = re.findall(r"```sh\n(curl [^\n]*)\n```\n```json\n([^\n]*)\n```", README)
VOLATILE = {"generation", "receipt"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("local")) as running:
        running.s3.put_object(Bucket=SOURCE_BUCKET, Key=HELLO, Body=HELLO_TEXT)
        assert running.settle(30)
        yield running


def test_the_readme_has_examples():
    assert len(EXAMPLES) == README.count("```sh\ncurl") >= 5


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("command", "expected"), EXAMPLES)
def test_an_example_of_the_readme_answers_what_it_says(stack, command, expected):
    local = command.replace("http://", "").replace("localhost:8080", stack.replicate_url)
    answered = json.loads(subprocess.run(["bash", "-c", local], capture_output=True, check=True, timeout=60).stdout)
    documented = json.loads(expected)
    assert set(answered) == set(documented)
    assert {name: value for name, value in answered.items() if name not in VOLATILE} == {
        name: value for name, value in documented.items() if name not in VOLATILE
    }
