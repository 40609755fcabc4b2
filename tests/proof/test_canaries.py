"""The watch over all that the service tells (tests/canaries.py) can fail: what is told here is seen, each time."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TOLD = """
import logging
import subprocess
import sys

import pytest
import requests
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from replicator.dev import services
from replicator.telemetry import describe_request, log_error, request_scope
from replicator.errors import Permanent
from replicator.reasons import Reason
from replicator.web.ingest import IngestDoors
from replicator.web.routing import Router
from tests.canaries import canaries
from tests.google_keys import service_account_key, signing_key
from tests.servers import listening

TOKEN = signing_key().sign({"email": "a@b.example"})
SESSION = "https://storage.example/upload?upload_id=ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SECRET = "an-ingest-secret"


def answering(response):
    return Router({("POST", "/echo"): response})


def post(router, **headers):
    return Client(Request.application(router)).post("/echo", headers=headers)


def test_token_in_an_answer():
    post(answering(lambda request: Response(request.headers["Authorization"])), Authorization=f"Bearer {TOKEN}")


def test_token_in_a_header_of_an_answer():
    post(answering(lambda request: Response(headers={"X-Echo": TOKEN})))


def test_callers_secret_of_no_known_shape_in_an_answer():
    post(answering(lambda request: Response("caller sent: some-unknown-secret")), Authorization="some-unknown-secret")


def test_configured_secret_in_a_line():
    IngestDoors(lambda: None, [SECRET])
    log_error(Permanent(Reason.REQUEST_MALFORMED, f"not {SECRET}"))


def test_session_in_a_line_that_nobody_would_see():
    with request_scope(None, None):
        describe_request(door=SESSION)
        log_error(Permanent(Reason.REQUEST_MALFORMED))


def test_session_in_a_line_of_a_module():
    logging.getLogger("replicator.adapters.any").warning("went to %s", SESSION)


def test_private_key_on_standard_output():
    print(service_account_key().replace("\\\\n", "\\n"))


def test_token_on_standard_error():
    print(TOKEN, file=sys.stderr)


def test_token_in_the_output_of_a_command():
    subprocess.run([sys.executable, "-c", f"print({TOKEN!r})"], capture_output=True)


def test_token_in_the_output_of_a_service():
    services._outcome(f"a library said {TOKEN}")


def test_session_in_an_answer_of_a_service_elsewhere():
    with listening(lambda request: Response(SESSION)) as url:
        canaries.urls.add(url)
        requests.get(url, timeout=10)


@pytest.fixture
def telling_at_its_end():
    yield
    print(TOKEN)


def test_token_in_a_teardown(telling_at_its_end):
    pass


def test_nothing_is_told_by_a_caller_who_is_answered_as_he_should_be():
    with listening(answering(lambda request: Response("fine"))) as url:
        canaries.urls.add(url)
        requests.post(f"{url}/echo", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
        log_error(Permanent(Reason.REQUEST_MALFORMED, "nothing"))
"""


def test_whatever_is_told_fails_the_test_that_told_it(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "test_told.py").write_text(TOLD)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\naddopts = --import-mode=importlib\n")
    run = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--show-capture=no", "."]
    with subprocess.Popen(run, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as ended:
        said = ended.stdout.read()  # not `communicate`, which is watched: here secrets are told on purpose
    verdicts = set(re.findall(r"^(PASSED|FAILED|ERROR) test_told\.py::(\w+)", said, re.M))
    tests = set(re.findall(r"^def (test_\w+)", TOLD, re.M))
    innocent = {test for test in tests if test.startswith("test_nothing")}
    caught = {test for verdict, test in verdicts if verdict != "PASSED"}
    assert (caught, {test for _, test in verdicts}) == (tests - innocent, tests), said
