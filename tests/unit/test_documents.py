"""What the documents say is what the code does."""

import json
import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from replicator.reasons import Reason
from replicator.rules import RESERVED_PREFIX
from replicator.settings import (
    DeadLetterSettings,
    EngineSettings,
    IngestSettings,
    ReplicateSettings,
    ServerSettings,
    Settings,
)

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The table that README holds between its two marks."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    groups = {
        "target `replicate`, and the command line": own_fields(EngineSettings, Settings),
        "target `replicate`": own_fields(ReplicateSettings, ServerSettings, EngineSettings),
        "target `ingest`": own_fields(IngestSettings, ServerSettings),
        "command `dead-letters`": own_fields(DeadLetterSettings, Settings),
        "both targets": own_fields(ServerSettings, Settings),
        "everywhere": Settings.model_fields,
    }
    for group, fields in groups.items():
        lines.append(f"| **{group}** | | |")
        lines += [f"| `{name.upper()}` | {default(field)} | {field.description} |" for name, field in fields.items()]
    return "\n".join(lines)


def own_fields(settings, *inherited) -> dict[str, FieldInfo]:
    known = {name for parent in inherited for name in parent.model_fields}
    return {name: field for name, field in settings.model_fields.items() if name not in known}


def default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return "" if field.default in (None, ()) else f"`{field.default}`"


def test_the_readme_lists_every_variable_with_its_default_and_meaning():
    found = re.search(r"<!-- settings -->\n(.*?)\n?<!-- /settings -->", README, re.DOTALL)[1]
    assert found == settings_table(), f"README's table should be:\n{settings_table()}"


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "deploy").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(document):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()) if "://" not in link]
    assert links or document != ROOT / "README.md"
    for link in links:
        file, _, heading = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, as a Markdown viewer makes them."""
    found = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_reason_is_listed_with_its_meaning_and_what_to_do():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", (ROOT / "docs/reasons.md").read_text(), re.MULTILINE)
    assert [(code, meaning) for code, meaning, _ in rows] == [(reason, reason.explanation) for reason in Reason]
    assert all(cure.endswith(".") for _, _, cure in rows)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_json_in_the_documents_is_json(document):
    for block in re.findall(r"```json\n(.*?)```", document.read_text(), re.DOTALL):
        assert json.loads(block)


def test_the_example_environment_names_only_variables_that_exist():
    known = {name.upper() for name in {**ReplicateSettings.model_fields, **IngestSettings.model_fields}}
    named = re.findall(r"^#? ?([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= known


def test_decisions_are_numbered_and_at_most_a_page():
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [record.name[:3] for record in records] == [f"{number:03}" for number in range(1, len(records) + 1)]
    for record in records:
        assert len(record.read_text().splitlines()) <= 60, record.name


def test_the_table_of_features_names_every_test_of_features_and_no_other():
    source = (ROOT / "tests/service/test_features.py").read_text()
    existing = set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/features.md").read_text()))
    assert named == existing


def test_the_lifecycle_rule_deletes_temporary_objects_and_nothing_else():
    (rule,) = json.loads((ROOT / "deploy/gcp/lifecycle.json").read_text())["rule"]
    assert rule["action"] == {"type": "Delete"}
    assert rule["condition"] == {"age": 7, "matchesPrefix": [RESERVED_PREFIX]}
