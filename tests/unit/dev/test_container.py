"""The local stack in a container: what compose, the Dockerfile and the command say of one another."""

import json
from fnmatch import fnmatch

import pytest
import yaml

from replicator.dev import command
from replicator.dev.rules import DESTINATION_BUCKET, SOURCE_BUCKET
from tests.dockerfile import LAST, ROOT, admitted, stages, the

COMPOSE = ROOT / "deploy/docker-compose.yaml"
STACK = yaml.safe_load(COMPOSE.read_text())["services"]["stack"]
SERVERS = 3
"""`replicate`, S3 and the page listen on ports that follow one another."""


def test_it_is_built_from_the_target_of_the_dockerfile_beside_the_code():
    assert (COMPOSE.parent / STACK["build"]["context"]).resolve() == ROOT
    assert STACK["build"]["target"] in stages()


def test_each_server_is_published_on_loopback_at_its_own_port():
    own = [str(command.DEFAULT_PORT + following) for following in range(SERVERS)]
    assert STACK["ports"] == [f"127.0.0.1:{port}:{port}" for port in own]
    assert the("EXPOSE", "dev").split() == own


def test_the_page_and_the_service_are_what_its_health_is():
    check = json.loads(the("HEALTHCHECK", "dev").partition("CMD ")[2])
    for address in (f"{command.DEFAULT_PORT}/ready", f"{command.DEFAULT_PORT + 2}/dev"):
        assert f"'{address}'" in check[-1]
    compile(check[-1], "healthcheck", "exec")


def test_it_starts_the_command_with_options_that_there_are():
    python, flag, module, *arguments = json.loads(the("ENTRYPOINT", "dev"))
    assert [python, flag, module] == ["python", "-m", "replicator.dev"]
    options = command._parser().parse_args([*arguments, *STACK.get("command", [])])
    assert options.host == "0.0.0.0"  # noqa: S104  published on loopback only
    assert options.port is None
    assert not options.once


def test_its_folders_are_in_a_volume_that_the_user_may_write_to():
    (volume,) = STACK["volumes"]
    name, _, folder = volume.partition(":")
    assert name in yaml.safe_load(COMPOSE.read_text())["volumes"]
    made = _run("dev")
    for bucket in (SOURCE_BUCKET, DESTINATION_BUCKET):
        assert f"local/{bucket}" in made
    assert folder == "/app/local"
    assert "chown -R replicator local" in made
    assert the("WORKDIR", "dev") == "/app"


@pytest.mark.parametrize("stage", ["dev", LAST])
def test_nobody_in_it_is_root(stage):
    assert the("USER", stage) == "10001"
    assert "useradd --uid 10001" in _run(stage)
    assert "user" not in STACK


def test_the_last_stage_is_the_service_and_has_nothing_of_the_stack():
    assert list(stages())[-1] == LAST
    assert json.loads(the("CMD", LAST))[0] == "gunicorn"
    copied = [rest.split()[0] for name, rest in stages()[LAST] if name == "COPY"]
    assert copied == ["--from=build", "--from=product"]
    assert _run("product") == "rm -r replicator/dev"


@pytest.mark.parametrize("stage", ["build", "code", "dev"])
def test_everything_that_is_copied_from_here_is_in_the_build_context(stage):
    for name, rest in stages()[stage]:
        if name == "COPY" and "--from" not in rest:
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists()
                assert any(fnmatch(source, pattern) for pattern in admitted()), source


def _run(stage):
    return " ".join(rest for name, rest in stages()[stage] if name == "RUN")


@pytest.mark.parametrize("text", ["nowhere", "::1", "127.0.0.1:80", ""])
def test_a_host_that_is_no_address_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        command._parser().parse_args(["--host", text])
    assert "a host is an IPv4 address" in capsys.readouterr().err
