"""The command behind `make run`: the main job without any cloud; with `--once` it is done once, and judged."""

import argparse
import ipaddress
import shlex
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from replicator.dev import environment, samples
from replicator.dev.errors import Interrupted, StackError
from replicator.dev.once import run_once
from replicator.dev.rules import DESTINATION_BUCKET, ONE_RULE, SOURCE_BUCKET, read_rules
from replicator.dev.screen import Screen
from replicator.dev.signals import EndingSignals
from replicator.dev.sockets import HOST
from replicator.dev.stack import Stack

DEFAULT_PORT = 8080
LAST_PORT = 65533
INTERRUPTED = 128 + 2
"""What a shell says of a program that Ctrl-C ended."""


def main(signals: EndingSignals) -> int:
    """The process's exit code."""
    parser = _parser()
    options = parser.parse_args()
    screen = Screen(Console(highlight=False, emoji=False, markup=False))
    if options.once and options.rules:
        parser.error("--once has a rule of its own")
    try:
        return _once(options, screen, signals) if options.once else _watch(options, screen, signals)
    except Interrupted:
        return INTERRUPTED
    except StackError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(why: str) -> int:
    print(f"replicator.dev: {why}", file=sys.stderr)
    return 1


def _once(options: argparse.Namespace, screen: Screen, signals: EndingSignals) -> int:
    with tempfile.TemporaryDirectory(prefix="replicator-once-") as folder:
        stack = Stack(Path(folder), host=options.host, port=options.port or 0, screen=screen)
        signals.then(stack.end)
        screen.say("Starting the embedded S3, Pub/Sub and Cloud Storage, and the service twice …", "dim")
        with stack:
            _introduce(stack, screen)
            verdict = run_once(stack)
    screen.say()
    screen.say(verdict.text, "bold red" if verdict.problems else "bold green")
    for problem in verdict.problems:
        screen.say(f"  {problem}", "red")
    return 1 if verdict.problems else 0


def _watch(options: argparse.Namespace, screen: Screen, signals: EndingSignals) -> int:
    source_folder, replica_root = options.source_folder.resolve(), options.replica_folder.resolve()
    replica_folder = replica_root / DESTINATION_BUCKET
    if source_folder.is_relative_to(replica_folder) or replica_folder.is_relative_to(source_folder):
        raise StackError(f"{source_folder} and {replica_folder} are inside one another: replicas would be sources")
    port = DEFAULT_PORT if options.port is None else options.port
    rules = read_rules(options.rules) if options.rules else ONE_RULE
    stack = Stack(replica_root, host=options.host, port=port, source_folder=source_folder, rules=rules, screen=screen)
    signals.then(stack.end)
    screen.say("Starting the embedded S3, Pub/Sub and Cloud Storage, and the service twice …", "dim")
    with stack:
        _introduce(stack, screen)
        if SOURCE_BUCKET not in rules.idle:
            samples.put_all(stack.s3, SOURCE_BUCKET)
        try:
            stack.wait()
        except Interrupted:
            screen.say("Ending …", "dim")
    return 0


def _introduce(stack: Stack, screen: Screen) -> None:
    screen.say()
    screen.say(f"  page           {stack.page_url}", "bold")
    screen.say(f"  replicate      {stack.replicate_url}", "bold")
    screen.say(f"  ingest         {stack.ingest_url}")
    screen.say(f"  S3             {stack.s3_url}/{SOURCE_BUCKET}")
    screen.say(f"  Cloud Storage  {stack.storage_url}/storage/v1/b/{DESTINATION_BUCKET}/o")
    screen.say(f"  Pub/Sub        {stack.pubsub_address} (gRPC)")
    if stack.source_folder:
        screen.say(f"  drop files in  {stack.source_folder}", "bold")
    screen.say(f"  replicas       {stack.replica_folder}", "bold")
    screen.say()
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in stack.variables.items())
    screen.say("For the command line, in another shell:", "dim")
    screen.say(f"unset {' '.join(ONE_RULE.variables)} REPLICATION_RULES; export {variables}")
    screen.say()
    if stack.rules.caveat:
        screen.say(stack.rules.caveat, "yellow")
        screen.say()
    if SOURCE_BUCKET in stack.rules.idle:
        return
    body = shlex.quote(f'{{"s3_bucket": "{SOURCE_BUCKET}", "s3_key": "{samples.HELLO}"}}')
    screen.say(f"Try: curl --data {body} {stack.replicate_url}/v1/replicate")
    screen.say()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m replicator.dev", description=__doc__)
    parser.add_argument("--once", action="store_true", help="do the main job once in a temporary folder, and judge it")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="replicate by these rules; their buckets are made")
    parser.add_argument("--port", type=_port, help="port of `replicate`, 0 for any (default 8080; any with --once)")
    parser.add_argument(
        "--host",
        type=_host,
        default=HOST,
        metavar="ADDRESS",
        help="address that `replicate`, S3 and the page listen on, open to all who reach it (default %(default)s)",
    )
    parser.add_argument(
        "--source-folder",
        type=Path,
        default=Path("local") / SOURCE_BUCKET,
        metavar="FOLDER",
        help="files dropped here are put into S3 (default %(default)s)",
    )
    parser.add_argument(
        "--replica-folder",
        type=Path,
        default=environment.replica_root(),
        metavar="FOLDER",
        help=f"{DESTINATION_BUCKET}/ with the replicas appears here (default $LOCAL_GCS_PATH or local)",
    )
    return parser


def _port(text: str) -> int:
    """S3 and the page take the next two, so that the last ports of all are none for us."""
    number = int(text)
    if not 0 <= number <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {LAST_PORT}")
    return number


def _host(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError("a host is an IPv4 address") from None
