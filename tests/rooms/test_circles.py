"""Capabilities that use each other are refused, with their names."""

from __future__ import annotations

import pytest

import portrait.capability
from portrait.capability import Capability, capabilities
from portrait.errors import ConfigurationError


def test_capabilities_that_use_each_other_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = {"tiers": ("score",), "score": ("lifetime",), "lifetime": ("tiers",)}

    def face(name: str) -> Capability:
        return Capability(name=name, title=name, uses=uses.get(name, ()))

    monkeypatch.setattr(portrait.capability, "_face", face)
    capabilities.cache_clear()
    with pytest.raises(ConfigurationError, match="lifetime -> tiers -> score -> lifetime"):
        capabilities()
    monkeypatch.undo()
    capabilities.cache_clear()
    assert "tiers" in {room.name for room in capabilities()}
