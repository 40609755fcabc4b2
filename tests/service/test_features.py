"""What earlier systems of this kind offer works here too: one test for each of their features, through the real doors.

docs/features.md lists them, with the tests that look closer.
"""

import base64
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import yaml

from replicator.dev import environment
from replicator.dev.cloud_storage import CloudStorageServer, Fault, PersistAtMost, RequestLog, ServedRequest
from replicator.receipt import METADATA_KEY
from replicator.rules import Filter, Rule, RuleSet
from tests.google_keys import service_account_key
from tests.identity_servers import TokenServer, running
from tests.proof.wire.faults import flipped
from tests.servers import AWS, cloud_storage, moto, s3_client
from tests.service.conftest import REPLICA, SOURCE, serving
from tests.service.envelopes import eventbridge, notification, push

ROOT = Path(__file__).parents[2]


def post(service, path, body):
    return service.http.post(f"{service.url}{path}", json=body, timeout=60)


# --- Doors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/replicate", "/v1/replicate/"])
@pytest.mark.parametrize(
    "body",
    [
        {"s3_bucket": SOURCE, "s3_key": "hello.txt"},
        {"bucket": SOURCE, "key": "hello.txt"},
        {"src_bucket": SOURCE, "src_key": "hello.txt", "dest_bucket": REPLICA, "dest_key": "hello.txt"},
    ],
    ids=["s3_bucket", "bucket", "src_bucket and dest_bucket"],
)
def test_post_v1_replicate_takes_every_body_with_and_without_a_trailing_slash(service, path, body):
    service.put("hello.txt", b"hello")
    assert post(service, path, body).status_code == 201
    assert service.visible("hello.txt") == b"hello"


def test_answers_are_201_200_404_400_and_a_5xx_with_a_message_for_trouble_with_reading_or_writing(service):
    service.put("hello.txt", b"hello")
    assert service.replicate("hello.txt").status_code == 201
    assert service.replicate("hello.txt").status_code == 200
    assert service.replicate("absent").status_code == 404
    assert post(service, "/v1/replicate", {"bucket": SOURCE}).status_code == 400
    for body in (b"", b"no json"):
        assert service.http.post(f"{service.url}/v1/replicate", data=body, timeout=60).status_code == 400
    service.put("large", bytes(9 * 1024**2))
    service.storage.faults.add(Fault(PersistAtMost(0), times=None))
    trouble = service.replicate("large")
    assert trouble.status_code == 503
    assert trouble.json()["detail"].startswith("Cloud Storage did not answer")
    service.put("cold", b"x", StorageClass="GLACIER")
    unreadable = service.replicate("cold")
    assert unreadable.status_code == 422
    assert unreadable.json()["detail"].startswith("The source object is archived")


def test_health_and_the_root_answer(service):
    assert service.http.get(f"{service.url}/health", timeout=60).json() == {"status": "ok"}
    assert "service" in service.http.get(f"{service.url}/", timeout=60).json()


def test_get_and_delete_of_v1_object_look_at_the_destination(service):
    url = f"{service.url}/v1/object/{REPLICA}/folder/hello.txt"
    assert service.http.get(url, timeout=60).status_code == 404
    service.put("folder/hello.txt", b"hello")
    service.replicate("folder/hello.txt")
    assert service.http.get(url, timeout=60).json()["in_sync"] is True
    assert service.http.delete(url, timeout=60).status_code == 200
    assert service.resource("folder/hello.txt") is None


def test_interactive_api_documentation_is_at_docs_and_comes_from_the_service_itself(service):
    page = service.http.get(f"{service.url}/docs", timeout=60)
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any(asset.endswith(".js") for asset in assets)
    for asset in assets:
        assert "//" not in asset, "an asset of another host"
        assert service.http.get(requests.compat.urljoin(f"{service.url}/docs", asset), timeout=60).status_code == 200


# --- Events -----------------------------------------------------------------------------------------------------------


def test_event_driven_through_a_lambda_forwarder_with_prefix_and_suffix_filters_and_form_decoded_keys(s3_url):
    images = Rule("images", frozenset({SOURCE}), REPLICA, filter=Filter(prefix="my images/", suffix=".jpg"))
    with serving(s3_url, rules=RuleSet((images,))) as service:
        for key in ("my images/a+b 100%.jpg", "my images/notes.txt", "elsewhere/c.jpg"):
            service.put(key, key.encode())
        forwarded = notification("my images/a+b 100%.jpg", "my images/notes.txt", "elsewhere/c.jpg")
        assert post(service, "/v1/replicate", forwarded).status_code == 204
        assert service.visible("my images/a+b 100%.jpg") == b"my images/a+b 100%.jpg"
        assert service.resource("my images/notes.txt") is None
        assert service.resource("elsewhere/c.jpg") is None


# --- Moving bytes -----------------------------------------------------------------------------------------------------


def test_idempotency_no_partial_object_is_ever_visible_and_concurrent_workers_write_once(service):
    data = os.urandom(9 * 1024**2)
    service.put("k", data)
    seen, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            resource = service.resource("k")
            seen.add(int(resource["size"]) if resource else None)

    with ThreadPoolExecutor(9) as pool:
        watcher = pool.submit(watch)
        answers = list(pool.map(lambda _: service.replicate("k").status_code, range(8)))
        done.set()
        watcher.result()
    assert set(answers) <= {200, 201}
    assert seen <= {None, len(data)}
    assert service.visible("k") == data
    assert service.resource("k")["metageneration"] == "1"


@pytest.mark.parametrize("size", [1000, 9 * 1024**2], ids=["whole", "stream"])
def test_checksums_are_compared_end_to_end(faulty_source, size):
    service, proxy = faulty_source
    data = os.urandom(size)
    service.put("k", data, ChecksumAlgorithm="SHA256")
    proxy.meet(flipped(size // 2), "^GET .*/k ", times=None)
    contradicted = service.replicate("k")
    assert (contradicted.status_code, contradicted.json()["reason"]) == (503, "checksum_mismatch")
    assert service.resource("k") is None
    proxy.clear()
    assert service.replicate("k").json()["checked"] == "SHA256"
    assert service.visible("k") == data


def test_a_gzip_encoded_object_is_not_decompressed_on_the_way(service):
    data = gzip.compress(b"hello" * 100)
    service.put("k", data, ContentEncoding="gzip")
    service.replicate("k")
    assert service.visible("k") == data


# --- The service as it is deployed ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clouds():
    """Both sides without a cloud, with one object in the source bucket."""
    with moto() as s3_url, cloud_storage(REPLICA) as storage:
        s3 = s3_client(s3_url)
        s3.create_bucket(Bucket=SOURCE)
        s3.put_object(Bucket=SOURCE, Key="hello.txt", Body=b"hello")
        yield s3, s3_url, storage


def command(clouds, folder, *arguments, python=("-m", "replicator"), **variables):
    """The command line in an empty folder, with nothing of this machine's environment but its paths."""
    _, s3_url, storage = clouds
    settings = {"AWS_ENDPOINT_URL_S3": s3_url, "STORAGE_EMULATOR_HOST": storage.url, **AWS, **variables}
    settings = {name: value for name, value in settings.items() if value is not None}
    return subprocess.run(
        [sys.executable, *python, *arguments],
        cwd=folder,
        env={**environment.inherited(), "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class SessionsBegun(RequestLog):
    """When each upload session was begun, in seconds of a monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def add(self, request: ServedRequest) -> None:
        if request.method == "POST" and "uploadType=resumable" in request.query:
            self.at.append(time.monotonic())
        super().add(request)


@pytest.mark.parametrize(("max_retries", "least_delays"), [(0, []), (2, [0.4, 1.2])])
def test_retries_follow_max_retries_retry_delay_and_retry_backoff(clouds, tmp_path, max_retries, least_delays):
    """Each attempt begins a new upload session, whose every chunk Cloud Storage then keeps nothing of."""
    s3, s3_url, _ = clouds
    s3.put_object(Bucket=SOURCE, Key="large", Body=bytes(9 * 1024**2))
    storage = CloudStorageServer(buckets=(REPLICA,))
    storage.requests = begun = SessionsBegun()
    storage.faults.add(Fault(PersistAtMost(0), times=None))
    with storage:
        result = command(
            (s3, s3_url, storage),
            tmp_path,
            *("copy", f"s3://{SOURCE}/large", "--json"),
            SOURCE_S3_BUCKETS=SOURCE,
            TARGET_GCS_BUCKET=REPLICA,
            MAX_RETRIES=str(max_retries),
            RETRY_DELAY="0.4",
            RETRY_BACKOFF="3",
        )
    assert result.returncode == 75, result.stderr
    delays = [later - earlier for earlier, later in zip(begun.at, begun.at[1:], strict=False)]
    assert len(delays) == max_retries
    assert all(delay >= least for delay, least in zip(delays, least_delays, strict=True)), delays


def test_configuration_comes_from_the_environment_and_from_a_dotenv_file(clouds, tmp_path):
    copy = ("copy", f"s3://{SOURCE}/hello.txt", "--json")
    unconfigured = command(clouds, tmp_path, *copy)
    assert (unconfigured.returncode, unconfigured.stdout) == (2, "")
    assert "SOURCE_S3_BUCKETS, TARGET_GCS_BUCKET: required" in unconfigured.stderr
    (tmp_path / ".env").write_text(f"SOURCE_S3_BUCKETS={SOURCE}\nGCS_BUCKET_NAME={REPLICA}\n")
    of_file = command(clouds, tmp_path, *copy)
    assert of_file.returncode == 0, of_file.stderr
    assert json.loads(of_file.stdout)["outcomes"][0]["destination"] == f"gs://{REPLICA}/hello.txt"
    of_environment = command(clouds, tmp_path, *copy, GCS_BUCKET_NAME="absent")
    assert of_environment.returncode == 1, of_environment.stderr
    (failed,) = json.loads(of_environment.stdout)["outcomes"]
    assert (failed["destination"], failed["reason"]) == ("gs://absent/hello.txt", "destination_bucket_not_found")


@pytest.mark.parametrize("variable", ["GCP_CREDENTIALS_PATH", "GCP_SA_KEY", "GCP_SA_KEY_B64"])
def test_a_service_account_is_given_by_file_as_raw_json_or_as_base64(clouds, tmp_path, variable):
    """Cloud Storage is named as the real one's stand-in, not as an emulator, which would take no credentials."""
    s3, _, storage = clouds
    s3.put_object(Bucket=SOURCE, Key=variable, Body=b"hello")
    account = f"{variable.lower()}@project.iam.gserviceaccount.com"
    with running(TokenServer) as tokens:
        key = json.dumps(json.loads(service_account_key(account)) | {"token_uri": f"{tokens.url}/token"})
        file = tmp_path / "key.json"
        file.write_text(key)
        given = {
            "GCP_CREDENTIALS_PATH": str(file),
            "GCP_SA_KEY": key,
            "GCP_SA_KEY_B64": base64.b64encode(key.encode()).decode(),
        }
        result = command(
            clouds,
            tmp_path,
            *("copy", f"s3://{SOURCE}/{variable}"),
            SOURCE_S3_BUCKETS=SOURCE,
            TARGET_GCS_BUCKET=REPLICA,
            STORAGE_EMULATOR_HOST=None,
            API_ENDPOINT_OVERRIDE=storage.url,
            HTTPS_PROXY="http://127.0.0.1:1",  # what the library asks the real Google besides goes nowhere
            **{variable: given[variable]},
        )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("created ")
    assert set(tokens.accounts) == {account}


MEASURED = """
import re, runpy, sys
try:
    runpy.run_module("replicator", run_name="__main__", alter_sys=True)
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory a process used")
def test_streaming_takes_little_memory_whatever_the_size_and_the_chunk_size_says_how_much(clouds, tmp_path):
    sizes, used = {"tiny": 1, "stream": 60 * 1024**2, "parts": 96 * 1024**2}, {}
    for key, size in sizes.items():
        clouds[0].put_object(Bucket=SOURCE, Key=key, Body=os.urandom(size))
        result = command(
            clouds,
            tmp_path,
            *("copy", f"s3://{SOURCE}/{key}", "--quiet"),
            python=("-c", MEASURED),
            SOURCE_S3_BUCKETS=SOURCE,
            TARGET_GCS_BUCKET=REPLICA,
            CHUNK_SIZE=str(1024**2),
            MEMORY_BUDGET="32MiB",
        )
        assert result.returncode == 0, result.stderr
        used[key] = int(result.stderr) * 1024
    clouds[0].delete_object(Bucket=SOURCE, Key="parts")
    assert used["stream"] - used["tiny"] < 24 * 1024**2, used
    assert used["parts"] - used["tiny"] < (32 + 16) * 1024**2, used


def test_nothing_is_written_to_the_local_disk(clouds, tmp_path):
    folder = tmp_path / "cwd"
    folder.mkdir()
    (tmp_path / "tmp").mkdir()
    clouds[0].put_object(Bucket=SOURCE, Key="another", Body=os.urandom(20 * 1024**2))
    result = command(
        clouds,
        folder,
        *("copy", f"s3://{SOURCE}/another"),
        SOURCE_S3_BUCKETS=SOURCE,
        TARGET_GCS_BUCKET=REPLICA,
        TMPDIR=str(tmp_path / "tmp"),
    )
    assert result.returncode == 0, result.stderr
    assert [*folder.iterdir(), *(tmp_path / "tmp").iterdir()] == []


def test_verification_commands_check_the_buckets_on_both_sides(clouds, tmp_path):
    both = {"SOURCE_S3_BUCKETS": SOURCE, "TARGET_GCS_BUCKET": REPLICA}
    result = command(clouds, tmp_path, "check", "--json", **both)
    assert (result.returncode, json.loads(result.stdout)) == (0, {f"s3://{SOURCE}": "ok", f"gs://{REPLICA}": "ok"})
    wrong = command(clouds, tmp_path, "check", "--json", **{**both, "TARGET_GCS_BUCKET": "absent"})
    problem = json.loads(wrong.stdout)["gs://absent"]
    assert (wrong.returncode, problem["reason"]) == (1, "destination_bucket_not_found")
    assert problem["detail"] == "The destination bucket does not exist."


def test_local_mode_has_a_preloaded_bucket_a_folder_as_source_and_a_folder_as_destination(tmp_path):
    source, replicas = tmp_path / "local/source-bucket", tmp_path / "replicas/replica-bucket"
    source.mkdir(parents=True)
    (source / "dropped.txt").write_text("dropped")
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator.dev", "--port", "0"],
        cwd=tmp_path,
        env={**environment.inherited(), "PYTHONPATH": str(ROOT), "LOCAL_GCS_PATH": str(tmp_path / "replicas")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        patience = time.monotonic() + 60
        while not all((replicas / name).exists() for name in ("hello.txt", "dropped.txt")):
            assert process.poll() is None
            assert time.monotonic() < patience
            threading.Event().wait(0.05)
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert (replicas / "hello.txt").read_bytes() == b"Hello from S3!\n"
    assert (replicas / "dropped.txt").read_bytes() == b"dropped"


def test_scalability_a_hundred_objects_in_batches_all_arrive(service):
    keys = [f"object-{number:03}" for number in range(100)]
    for key in keys:
        service.put(key, key.encode())
    answer = post(service, "/v1/replicate:batch", {"items": [{"bucket": SOURCE, "key": key} for key in keys]})
    assert [item["status"] for item in answer.json()["items"]] == [201] * 100
    assert [service.visible(key) for key in keys] == [key.encode() for key in keys]


def test_external_logging_is_one_structured_line_for_each_outcome(service, caplog):
    service.put("k", b"hello")
    with caplog.at_level("INFO", "replicator"):
        service.push(push(eventbridge("k")))
    lines = [record.json_fields for record in caplog.records if hasattr(record, "json_fields")]
    assert [(line["result"], line["reason"]) for line in lines] == [("created", "destination_absent")]


# --- Container and documents ------------------------------------------------------------------------------------------


def test_the_container_has_a_health_check_gunicorn_and_a_compose_file():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "HEALTHCHECK" in dockerfile
    assert '"gunicorn"' in dockerfile
    assert yaml.safe_load((ROOT / "deploy/docker-compose.yaml").read_text())["services"]


def test_no_secret_is_in_the_code_and_the_example_environment_has_none():
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    secret = re.compile(
        rb"AKIA(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}|-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}"
    )
    names = tracked.rstrip("\0").split("\0")
    assert ".env.example" in names
    for name in names:
        assert not secret.search((ROOT / name).read_bytes()), name
    example = (ROOT / ".env.example").read_text()
    assert not re.search(r"^#? ?(?:GCP_SA_KEY\w*|INGEST_SECRETS|AWS_SECRET_\w+)=\S", example, re.MULTILINE)
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("document", "holds"),
    [
        ("docs/architecture.md", ["flowchart", "sequenceDiagram"]),
        ("docs/permissions.md", ['"s3:GetObject"', "roles/storage.objectUser"]),
        ("docs/reasons.md", ["what to do"]),
        ("docs/security.md", ["- [ ]", "## Clean-up"]),
    ],
)
def test_documents_have_diagrams_iam_policies_cures_and_checklists(document, holds):
    text = (ROOT / document).read_text()
    for part in holds:
        assert part in text


def test_a_receipt_is_on_every_replica(service):
    service.put("k", b"hello")
    service.replicate("k")
    assert METADATA_KEY in service.resource("k")["metadata"]
