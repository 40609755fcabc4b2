"""What the documents say is what the code does."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from replicator.settings import IngestSettings, ReplicateSettings, ServerSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The table that README holds between its two marks."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    groups = {
        "both targets": ServerSettings.model_fields,
        "target `replicate`": own_fields(ReplicateSettings),
        "target `ingest`": own_fields(IngestSettings),
    }
    for group, fields in groups.items():
        lines.append(f"| **{group}** | | |")
        lines += [f"| `{name.upper()}` | {default(field)} | {field.description} |" for name, field in fields.items()]
    return "\n".join(lines)


def own_fields(settings) -> dict[str, FieldInfo]:
    return {name: field for name, field in settings.model_fields.items() if name not in ServerSettings.model_fields}


def default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return "" if field.default is None else f"`{field.default}`"


def test_the_readme_lists_every_variable_with_its_default_and_meaning():
    found = re.search(r"<!-- settings -->\n(.*?)\n?<!-- /settings -->", README, re.DOTALL)[1]
    assert found == settings_table(), f"README's table should be:\n{settings_table()}"


@pytest.mark.parametrize("document", ["README.md", "deploy/README.md", "docs/observability.md"])
def test_links_between_documents_lead_somewhere(document):
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links or document != "README.md"
    for link in links:
        assert ((ROOT / document).parent / link).exists(), link


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
