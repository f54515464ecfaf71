"""How alike a column's name and what a contract calls a column are: words by meaning, in several languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import cache, cached_property
from itertools import pairwise

from portrait.contracts import Column, Contract
from portrait.sources.inference.knowledge import Knowledge

_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NOT_SPELT = str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "đ": "d", "æ": "ae", "ı": "i"})
_ALIKE = 0.86  # how alike two words are that are one, misspelt
_SHORTEST = 4  # letters of a word that may be part of another, or misspelt
_LISTED = 0.97  # of a name that means the same and is written otherwise
_TELLING = 0.55  # weight from which on a word says something
_CODE = 0.62  # how well a code must fit what a value may be called
_OWN = 0.75  # of a name that only a contract's description suggests
# Words of descriptions that say nothing of what a column is.
_STOP = frozenset(
    (
        *("the", "a", "an", "of", "or", "in", "on", "at", "by", "as", "is", "was", "are", "it", "its", "to", "and"),
        *("for", "with", "from", "which", "who", "what", "null", "unknown", "none", "utc", "never", "any", "other"),
        *("others", "their", "this", "not", "no", "more", "bank", "day", "instant", "kind", "currency", "account"),
        *("customer", "them", "whether", "where", "price", "number"),
    )
)


class Names:
    """Similarity of names by the words that are known."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._cached: dict[str, tuple[str, ...]] = {}

    def meanings(self, name: str) -> tuple[str, ...]:
        """The words of a name, each replaced by what it means: `buchungsDatum` is transaction, date."""
        if name not in self._cached:
            words = [word for piece in pieces(name) for word in self._split(piece)]
            known = self._knowledge.meanings
            joined = list(words)
            for first, second in pairwise(words):  # words that are written apart
                if f"{first}_{second}" in known:
                    place = joined.index(first)
                    joined[place : place + 2] = [f"{first}_{second}"]
            self._cached[name] = tuple(known.get(word) or self._stemmed(word) for word in joined)
        return self._cached[name]

    def _stemmed(self, word: str) -> str:
        known = self._knowledge.meanings
        for ending in ("s", "es", "en", "e", "u", "y", "em", "ed", "ing"):
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST - 1 and word[: -len(ending)] in known:
                return known[word[: -len(ending)]]
        return word[:-1] if word.endswith("s") and len(word) > _SHORTEST else word

    def _split(self, word: str) -> list[str]:
        """A word that is written together: `geburtsdatum` is geburts, datum; a word that is known stays."""
        known = self._knowledge.meanings
        if word in known or len(word) < 2 * _SHORTEST - 2 or self._stemmed(word) in known.values():
            return [word]
        for cut in range(len(word) - 2, 2, -1):
            first, second = word[:cut], word[cut:]
            for bare in (first, first.removesuffix("s"), first.removesuffix("en")):
                if bare in known and second in known and max(len(bare), len(second)) >= _SHORTEST:
                    return [bare, second]
        return [word]

    def alike(self, name: str, phrase: str, *, about: Sequence[str] = ()) -> float:
        """0 to 1: how much two names say the same; words of `about` tell little, everything here is about them."""
        if not name or not phrase:
            return 0.0
        left, right = self.meanings(name), self.meanings(phrase)
        if left == right:
            return 1.0
        return self._shared(left, right, frozenset(about))

    def _shared(self, left: Sequence[str], right: Sequence[str], about: frozenset[str]) -> float:
        weights = {word: self._weight(word, about) for word in (*left, *right)}
        rest = list(right)
        shared = 0.0
        for word in left:
            twin = next((other for other in rest if other == word or _misspelt(word, other)), None)
            if twin is not None:
                rest.remove(twin)
                shared += weights[word]
        total = sum(weights[word] for word in left) + sum(weights[word] for word in right)
        alike = 2 * shared / total if total else 0.0
        told = max((weights[word] for word in left if word in right), default=shared)
        return alike if told >= _TELLING else alike / 2  # nothing in common but `id` or `date`

    def _weight(self, word: str, about: frozenset[str]) -> float:
        if word in about:
            return 0.3
        return 0.3 if word.isdigit() else self._knowledge.weak.get(word, 1.0)

    def of_column(self, name: str, contract: Contract, column: Column) -> tuple[float, str]:
        """How well a name fits a contract's column, and the phrase that it fits best."""
        about = self.meanings(contract.name)
        if pieces(name) == pieces(column.name):
            return 1.0, column.name
        best, phrase = _LISTED * self.alike(name, column.name, about=about), column.name
        for known in self._knowledge.columns.get(f"{contract.name}.{column.name}", []):
            if (score := _LISTED * self.alike(name, known, about=about)) > best:
                best, phrase = score, known
        for word in _nouns(column.description):
            if (score := _OWN * self.alike(name, word, about=about)) > best:
                best, phrase = score, f"{word} (its description)"
        return best, phrase

    def of_feed(self, file: str, feed: str) -> float:
        """How well the name of a file fits a feed."""
        stem = re.sub(r"\d+", " ", file.split(".")[0])
        return max(self._contained(stem, phrase) for phrase in (feed, *self._knowledge.feeds.get(feed, [])))

    def _contained(self, name: str, phrase: str) -> float:
        left, right = self.meanings(name), self.meanings(phrase)
        found = sum(any(word == other or _misspelt(word, other) for other in left) for word in right)
        return found / len(right) if right else 0.0

    @cached_property
    def _codes(self) -> dict[str, dict[str, list[tuple[str, ...]]]]:
        return {
            column: {value: [self.meanings(phrase) for phrase in phrases] for value, phrases in values.items()}
            for column, values in self._knowledge.codes.items()
        }

    def of_code(self, code: str, contract: Contract, column: Column) -> tuple[str, float] | None:
        """The value of an enumeration that a code most probably stands for; None where nothing speaks for one."""
        told = self._codes.get(f"{contract.name}.{column.name}", {})
        plain = plain_text(code)
        best: tuple[str, float] | None = None
        for value in column.enum:
            if plain == plain_text(value):
                return value, 1.0
            phrases = self._knowledge.codes_of(contract.name, column.name, value)
            spelt = [(value.lower(),), *[pieces(phrase) or (phrase,) for phrase in phrases]]
            if (pieces(code) or (plain,)) in spelt:
                return value, 0.95
            meant = [self.meanings(value), *told.get(value, [])]
            words = self.meanings(code) or (plain,)
            score = 0.9 * max(self._shared(words, meaning, frozenset()) for meaning in meant)
            if score > (best[1] if best else 0.0):
                best = value, score
        return best if best and best[1] >= _CODE else None


@cache
def plain_text(text: str) -> str:
    """Without accents and capitals."""
    spread = unicodedata.normalize("NFKD", text.translate(_NOT_SPELT))
    return "".join(sign for sign in spread if not unicodedata.combining(sign)).casefold().strip()


@cache
def pieces(name: str) -> tuple[str, ...]:
    """The words of a name as it is written, without accents, in lower case: `CustomerID` is customer, id."""
    spread = unicodedata.normalize("NFKD", name.translate(_NOT_SPELT))
    bare = "".join(sign for sign in spread if not unicodedata.combining(sign))
    return tuple(piece.lower() for piece in _PIECES.findall(bare))


@cache
def _misspelt(word: str, other: str) -> bool:
    if min(len(word), len(other)) < _SHORTEST:
        return False
    return SequenceMatcher(None, word, other).ratio() >= _ALIKE


@cache
def _nouns(description: str) -> tuple[str, ...]:
    words: Iterable[str] = re.findall(r"[a-z]+", description.split("Null:")[0].lower())
    return tuple(dict.fromkeys(word for word in words if word not in _STOP and len(word) > 3))
