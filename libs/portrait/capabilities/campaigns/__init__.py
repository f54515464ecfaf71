"""Whom to contact, with what, and what the contact caused."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="campaigns", title="Whom to contact, with what, and what the contact caused.", uses=("prospects",)
)
