"""docs/deploy.md: what it names exists, and its commands work as they stand, on moto and a stand-in for gcloud."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from replicator.settings import EngineSettings, ReplicateSettings
from tests.deploy.aws_cloudformation import ACCOUNT
from tests.deploy.both_clouds import CHANNEL, IMAGES, SECRET, SERVICE_ACCOUNT, SOURCE, URL, Shell, shell
from tests.deploy.gcloud_cli import library
from tests.deploy.guide import ROOT, TEXT, blocks, section

BLOCKS = blocks(TEXT)
COMMANDS = re.sub(r"\\\n\s*", "", "\n".join([*BLOCKS, *re.findall(r"`([^`\n]+)`", TEXT)]))
"""Everything that could be typed, each command on one line."""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_is_something_that_bash_can_parse(block):
    assert subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=True).stderr == ""


def test_every_file_that_is_named_exists():
    made = {"deploy/gcp/config.env"}
    named = set(re.findall(r"(?<![./\w])(?:deploy|docs|tests|bin)/[\w./-]*\w|\bcloudbuild\.yaml", TEXT)) - made
    assert len(named) > 5
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("script", ["deploy.sh", "destroy.sh"])
def test_every_option_of_our_scripts_is_one_that_they_take(script):
    usage = (ROOT / "deploy" / "gcp" / script).read_text().partition("set -euo")[0]
    used = {option for line in COMMANDS.splitlines() if script in line for option in re.findall(r"--[\w-]+", line)}
    assert used
    assert all(option in usage for option in used)


def test_every_variable_that_is_to_be_set_is_in_the_configuration():
    example = (ROOT / "deploy" / "gcp" / "config.example.env").read_text()
    known = set(re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE))
    replaced = set(re.findall(r"s\|\^([A-Z0-9_]+)=", TEXT))
    assert len(replaced) == 6
    assert replaced <= known
    named = {name for name in re.findall(r"`([A-Z][A-Z0-9_]+)(?:=\w+)?`", TEXT) if name != "AWS_DEFAULT_REGION"}
    assert named >= {"DELETES", "NOTIFICATION_CHANNELS", "REGION"}
    assert named <= known


def test_every_parameter_of_the_stack_is_one_that_it_has():
    template = (ROOT / "deploy" / "aws" / "replicator.yaml").read_text().partition("\nConditions:")[0]
    used = re.findall(r"\b([A-Z]\w+)=(?:\$[A-Z]+|arn:)", section("4. AWS").partition("--parameter-overrides")[2])
    assert len(used) == 6
    assert {name for name in used if f"\n  {name}:\n" not in template} == set()


def our_commands() -> list[list[str]]:
    return [line.split() for line in re.findall(r"(?:python -m|bin/)replicator ([a-z][^\n|;)]*)", COMMANDS)]


@pytest.mark.parametrize("words", our_commands(), ids=" ".join)
def test_every_command_of_ours_has_the_options_it_is_given(words):
    path = [word for word in words if re.fullmatch("[a-z][a-z-]*", word)]
    shown = subprocess.run(
        [sys.executable, "-m", "replicator", *path, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", shown))


@cache
def gcloud() -> dict[str, Any]:
    """The commands and flags of the installed CLI, as its shell completion knows them."""
    lib = library()
    tree = lib.parent / "data" / "cli" / "gcloud_completions.py" if lib else None
    if tree is None or not tree.exists():
        pytest.skip("the Google Cloud CLI is not installed")
    found: dict[str, Any] = runpy.run_path(str(tree))["STATIC_COMPLETION_CLI_TREE"]
    return found


def test_every_gcloud_command_and_flag_is_one_that_the_installed_cli_has():
    lines = re.findall(r"\bgcloud ((?:[a-z-]+ )*[a-z-]+[^\n|;)]*)", COMMANDS)
    assert len(lines) > 10
    for line in lines:
        node, flags = gcloud(), set(gcloud()["flags"])
        for word in line.split():
            if word not in node["commands"]:
                break
            node = node["commands"][word]
            flags |= set(node["flags"])
        assert not node["commands"], f"gcloud {line}: is a group, or no command"
        asked = set(re.findall(r"(?<= )--[\w-]+", line))
        assert asked <= flags | {"--format", "--sort-by", "--filter", "--limit", "--page-size"}, f"gcloud {line}"


@pytest.fixture
def guided(tmp_path):
    with shell(tmp_path) as running:
        shutil.copy(ROOT / "cloudbuild.yaml", tmp_path)
        yield running


def of(*titles: str) -> str:
    return "\n".join(block for title in titles for block in blocks(section(title)))


@pytest.mark.timeout(600)
def test_the_commands_work_as_they_stand(guided: Shell):
    boto3.client("s3").put_object(Bucket=SOURCE, Key="there before", Body=b"bytes")
    printed = guided.run(of("1. What you need", "2. The configuration", "3. Google Cloud"))
    assert printed.startswith(f"{ACCOUNT}\n")
    shown = re.search(r"^```text\n(.*?)^```", section("3. Google Cloud"), re.DOTALL | re.MULTILINE)[1]
    assert shown in printed
    assert "gcloud run services replace" in printed  # of the dry run
    config = (guided.folder / "deploy" / "gcp" / "config.env").read_text()
    role = f"arn:aws:iam::{ACCOUNT}:role/replicator-reader"
    for line in ("PROJECT=my-project", f"SOURCE_S3_BUCKETS={SOURCE}", f"AWS_ROLE_ARN={role}", "AWS_REGION=eu-west-1",
                 f"NOTIFICATION_CHANNELS={CHANNEL}"):  # fmt: skip
        assert f"\n{line}\n" in config

    guided.run(of("1. What you need", "4. AWS"))
    stack = boto3.client("cloudformation").describe_stacks(StackName="replicator")["Stacks"][0]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert given["IngestUrl"] == URL.format("replicator-ingest")
    assert given["ServiceAccountId"] == SERVICE_ACCOUNT
    (subscribed,) = boto3.client("sns").list_subscriptions()["Subscriptions"]
    assert (subscribed["TopicArn"], subscribed["Endpoint"]) == (given["AlarmTopicArn"], "me@example.com")
    kept = boto3.client("secretsmanager").get_secret_value(SecretId=given["IngestSecretArn"])
    assert (kept["SecretString"], kept["VersionId"]) == (SECRET, given["IngestSecretVersion"])
    assert boto3.client("iam").get_role(RoleName="replicator-reader")["Role"]["Arn"] == role
    notifications = boto3.client("s3").get_bucket_notification_configuration(Bucket=SOURCE)
    assert "EventBridgeConfiguration" in notifications
    assert [queue["Id"] for queue in notifications["QueueConfigurations"]] == ["of-another-team"]

    guided.run(of("1. What you need", "5. The first object", "6. What was there before"))
    assert boto3.client("s3").get_object(Bucket=SOURCE, Key="replicator-hello.txt")["Body"].read() == b"hello\n"
    assert guided.told("curl").count("/v1/object/") == 3
    assert guided.told("curl").count('"messages"') == 1
    assert f"--service-url {URL.format('replicator')} --canary --canary-seconds 600" in guided.told("replicator")
    assert guided.told("replicator").splitlines()[-1].endswith(f"--service-url {URL.format('replicator')}")
    assert "\0AWS_ROLE_ARN=" not in guided.told("variables-of-doctor-2")
    variables = dict(one.split("=", 1) for one in guided.told("variables-of-doctor-1").split("\0") if one)
    with patch.dict(os.environ, variables, clear=True):
        settings = EngineSettings.load()
    assert settings.rules.source_buckets == {SOURCE}
    assert settings.aws_role_arn == role
    assert {"GOOGLE_CLOUD_PROJECT", "PUBSUB_TOPIC"} <= {name.upper() for name in ReplicateSettings.model_fields}
    assert variables["PUBSUB_TOPIC"] == "projects/my-project/topics/s3-events"
    assert "https://pubsub.googleapis.com/v1/projects/my-project/topics/s3-events:publish" in guided.told("curl")

    guided.run(of("1. What you need", "5. The first object", "Upgrade", "Roll back", "Dead letters", "Leave"))
    assert guided.told("replicator").splitlines()[-2:] == ["dead-letters list", "dead-letters replay --mended"]
    assert "\0AWS_ROLE_ARN=" not in guided.told("variables-of-dead-letters-2")
    assert f"\nIMAGE={IMAGES}1\n" in (guided.folder / "deploy" / "gcp" / "config.env").read_text()
    build = next(line for line in guided.told().splitlines() if line.startswith("builds submit"))
    assert "replicator-build@my-project.iam.gserviceaccount.com" in build
    assert "service-accounts delete" not in guided.told()


def test_many_keys_are_announced_500_at_a_time_with_one_token(guided: Shell):
    (announce,) = (block for block in blocks(section("6. What was there before")))
    definition = announce.partition("aws s3api")[0]
    guided.run(f"PROJECT=my-project BUCKET={SOURCE}\n{definition}\njq -n '[range(1001) | tostring]' | announce")
    assert guided.told("curl").count(":publish") == 3
    assert guided.told().count("print-access-token") == 1


def test_without_an_image_to_go_back_to_nothing_is_pinned(guided: Shell):
    (back,) = blocks(section("Roll back"))
    config = guided.folder / "deploy" / "gcp" / "config.env"
    with pytest.raises(AssertionError, match="no other image has run"):
        guided.run(f"PROJECT=my-project REGION=europe-west1\nsed() {{ cat > /dev/null; }}\n{back}")
    assert not config.exists()
