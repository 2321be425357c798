"""The files that describe containers, read: docker-compose.yml and the Dockerfile."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
IMAGE_NAME = "funnelproof"
_CONTINUED = re.compile(r"\\\n\s*")


@cache
def services() -> dict[str, Any]:
    """Return the services of docker-compose.yml."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return found


def own_services() -> dict[str, Any]:
    """Return the services that run this project's image."""
    return {name: each for name, each in services().items() if "build" in each}


@dataclass(frozen=True)
class Stage:
    """A stage of the Dockerfile: the image it begins from, and its instructions."""

    image: str
    instructions: list[tuple[str, str]]

    def of(self, instruction: str) -> list[str]:
        return [text for name, text in self.instructions if name == instruction]


def stages() -> list[Stage]:
    """Return the stages of the Dockerfile, the last is the image."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in _CONTINUED.sub("", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append(Stage(rest.split()[0], []))
        else:
            found[-1].instructions.append((name, rest))
    return found


def environment(stage: Stage) -> dict[str, str]:
    """Return the variables that a stage sets."""
    return dict(pair.split("=", 1) for text in stage.of("ENV") for pair in text.split())


def in_exec_form(stage: Stage, instruction: str) -> list[str]:
    """Return the words of ENTRYPOINT, CMD, or of the command of HEALTHCHECK."""
    (text,) = stage.of(instruction)
    words: list[str] = json.loads(text[text.index("[") :])
    return words
