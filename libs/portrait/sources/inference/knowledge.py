"""`conf/inference.yml`: words of names and codes in several languages, and when a proposal is called sure."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from portrait.settings import Strict, load_yaml

Share = Annotated[float, Field(gt=0, le=1)]


class Sample(Strict):
    """What is read of a file at most."""

    rows: Annotated[int, Field(ge=100)]
    bytes: Annotated[int, Field(ge=100_000)]


class Levels(Strict):
    """From which confidence on a proposal is called so."""

    sure: Share
    likely: Share
    unsure: Share
    margin: Share
    """A rival that is as near makes a proposal unsure."""

    @model_validator(mode="after")
    def _in_order(self) -> Levels:
        if not self.unsure < self.likely < self.sure:
            raise ValueError("write unsure < likely < sure")
        return self


class Weights(Strict):
    """What makes the confidence of a column."""

    name: Share
    value: Share
    reference: Share


class Knowledge(Strict):
    """What is known of names and codes before a file is opened."""

    sample: Sample
    levels: Levels
    weights: Weights
    codes_at_most: Annotated[int, Field(ge=2)]
    """Different values up to which a column is taken for codes."""
    least_fit: Share
    """Share of the values that must read as a number or date."""
    words: dict[str, list[str]]
    weak: dict[str, Share]
    usual: dict[str, Share]
    """Feed to what is added to its score."""
    least_feed: Share
    """The score below which a file is like no feed."""
    least_firm: Share
    """Share of a feed's required columns that must be found firmly, or everything that is proposed is unsure."""
    feeds: dict[str, list[str]]
    columns: dict[str, list[str]]
    codes: dict[str, dict[str, list[str]]]
    looks: dict[str, str]
    encodings: dict[str, list[str]]

    @field_validator("looks")
    @classmethod
    def _patterns(cls, value: dict[str, str]) -> dict[str, str]:
        for name, pattern in value.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{name}: '{pattern}' is no regular expression: {error}") from error
        return value

    @field_validator("encodings")
    @classmethod
    def _encodings(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name in value:
            try:
                "".encode(name)
            except LookupError as error:
                raise ValueError(f"there is no encoding '{name}'") from error
        return value

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Word to what it means; a word that is listed nowhere means itself."""
        found: dict[str, str] = {}
        for meaning, words in self.words.items():
            for word in (meaning, *words):
                found.setdefault(word, meaning)
        return found

    def codes_of(self, feed: str, column: str, value: str) -> list[str]:
        """What a value of an enumeration may be called."""
        return self.codes.get(f"{feed}.{column}", {}).get(value, [])


def load_knowledge(conf: Path) -> Knowledge:
    """`conf/inference.yml`; ConfigurationError with file and line when it is absent or inconsistent."""
    return load_yaml(conf / "inference.yml", Knowledge)
