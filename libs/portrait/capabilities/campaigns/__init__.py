"""Whom to contact, and what it caused."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="campaigns",
    title="Whom to contact, and what it caused.",
    uses=("audiences", "prospects"),
    commands={"campaign": "commands:campaign"},
)
