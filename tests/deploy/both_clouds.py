"""A shell in which `aws` talks to moto and `gcloud` is a stand-in: for the commands that the documents give."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.deploy.aws_cloudformation import REGION, cloudformation
from tests.deploy.aws_stacks import EXTENSION
from tests.deploy.guide import ROOT

SOURCE, SECRET = "my-source-bucket", "old-ingest-secret-0123456789"
URL = "https://{}-123456789012.europe-west1.run.app"
SERVICE_ACCOUNT = "100000000000000000001"
IMAGES = "europe-west1-docker.pkg.dev/my-project/replicator/replicator@sha256:"
CHANNEL = "projects/my-project/notificationChannels/1"

GCLOUD = f"""#!/bin/sh
echo "$*" >> "$LOGS/gcloud"
case "$*" in
    *"versions access"*) printf %s {SECRET} ;;
    *"versions add"*) printf '> ' >> "$LOGS/gcloud"; cat >> "$LOGS/gcloud"; echo >> "$LOGS/gcloud" ;;
    *"services describe replicator-ingest"*"value(status.url)") echo {URL.format("replicator-ingest")} ;;
    *"services describe replicator "*"value(status.url)") echo {URL.format("replicator")} ;;
    *"value(name.basename())") echo 7 ;;
    *"value(uniqueId)") echo {SERVICE_ACCOUNT} ;;
    *"value(projectNumber)") echo 123456789012 ;;
    *"value(image_summary.digest)") echo sha256:newest ;;
    *"revisions list"*) printf '%s\\n' {IMAGES}2 {IMAGES}2 {IMAGES}1 {IMAGES}2 ;;
    *"objects list"*) echo '[{{"name": "gone"}}, {{"name": ".replicator/part"}}]' ;;
    *"buckets describe"*"json") echo '{{}}' ;;
    *"print-"*"-token"*) echo a-token ;;
    *"channels create"*) echo {CHANNEL} ;;
esac
"""
"""Answers what is read, and keeps what is written."""

REPLICATOR = """#!/bin/sh
echo "$*" >> "$LOGS/replicator"
env -0 > "$LOGS/variables-of-$1-$(grep -c "^$1" "$LOGS/replicator")"
"""
"""Stands in for bin/replicator, and keeps the variables of each call of a command."""

PRELUDE = """set -euo pipefail
aws() { # For SQS the AWS CLI's first version heeds only the option.
    if [ "$1" = sqs ]; then command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; else command aws "$@"; fi
}
git() { echo "# a new version" >> deploy/aws/replicator.yaml; } # moto takes no change that changes nothing
python3() { [ "$2" = venv ] || command python3 "$@"; }
curl() { # S3 begins after the second look.
    printf '%s\\n' "$*" >> "$LOGS/curl"
    case "$*" in
        *:publish) cat >> "$LOGS/curl" ;;
        *) [ "$(grep -c /v1/object/ "$LOGS/curl")" -lt 3 ] || echo '{"in_sync": true}' ;;
    esac
}
sleep() { :; }
"""


@dataclass(frozen=True)
class Shell:
    """At the root of a copy of this repository's deployment files."""

    folder: Path
    environment: dict[str, str]

    def run(self, script: str) -> str:
        """Runs it to its end, and gives what it printed."""
        done = subprocess.run(
            ["bash", "-c", PRELUDE + script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def told(self, command: str = "gcloud") -> str:
        """What the stand-in of a command has been told so far."""
        return (self.folder / command).read_text()


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """With the buckets that the documents name."""
    missing = [tool for tool in ("bash", "aws", "jq", "openssl") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    for path, text in (("bin/gcloud", GCLOUD), ("bin/replicator", REPLICATOR), (".venv/bin/python", "#!/bin/sh\n")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        (folder / path).chmod(0o755)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with cloudformation():
        server.start()
        try:
            _make_what_exists()
            host, port = server.get_host_and_port()
            environment = {
                **os.environ,
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": f"http://{host}:{port}",
                "AWS_CONFIG_FILE": str(folder / "none"),
                "AWS_PAGER": "",
                "LOGS": str(folder),
            }
            yield Shell(folder, environment)
        finally:
            server.stop()


def _make_what_exists() -> None:
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="of-another-team")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for bucket in (SOURCE, "my-code-bucket"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    of_others = {"Id": "of-another-team", "QueueArn": arn, "Events": ["s3:ReducedRedundancyLostObject"]}
    s3.put_bucket_notification_configuration(
        Bucket=SOURCE, NotificationConfiguration={"QueueConfigurations": [of_others]}
    )
    layer = EXTENSION.split(":")[-2]
    boto3.client("lambda").publish_layer_version(LayerName=layer, Content={"ZipFile": b"any"})
