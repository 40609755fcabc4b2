"""The Dockerfile, read: its stages and their instructions."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
LAST = ""
"""The stage without a name: what is deployed."""

Instruction = tuple[str, str]
"""Its name and the rest of the line."""


def stages() -> dict[str, list[Instruction]]:
    """Each stage's instructions, FROM among them, by its name."""
    found: dict[str, list[Instruction]] = {}
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            instruction, _, rest = line.partition(" ")
            if instruction == "FROM":
                _, _, name = rest.partition(" AS ")
                found[name] = []
            found[name].append((instruction, rest.strip()))
    return found


def the(instruction: str, stage: str) -> str:
    """The rest of the one line of that instruction."""
    (rest,) = [rest for name, rest in stages()[stage] if name == instruction]
    return rest


def admitted() -> list[str]:
    """What .dockerignore lets into the build."""
    return [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
