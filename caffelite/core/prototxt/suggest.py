"""The nearest known name to a misspelt one."""

from collections.abc import Iterable
from difflib import SequenceMatcher

# Below this likeness a suggestion puzzles more than it helps ("Power" for "Fork" scores 0.44).
LIKENESS = 0.6
BEGINNING = 3  # letters of a word that may be the beginning of a name


def _plain(word: str) -> str:
    """Case, `_` and `-` are what people get wrong most, so they do not count as differences."""
    return word.replace("_", "").replace("-", "").lower()


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the known name most like `word` ("" if none is like it); of equally like ones the first in ASCII order.

    A name that begins with the word goes before all others: Convolution for "Conv", not Concat. What is no text, as a
    number that stands for a name in a user's program, is like none.
    """
    if not isinstance(word, str):
        return ""
    known = sorted(known)
    begun = [name for name in known if len(word) >= BEGINNING and _plain(name).startswith(_plain(word))]
    if begun:
        return min(begun, key=len)
    # two names that both end in _param are not alike for that
    end = "_param" if word.endswith("_param") else ""
    best, name = LIKENESS, ""
    matcher = SequenceMatcher(None, _plain(word.removesuffix(end)))
    for candidate in known:
        matcher.set_seq2(_plain(candidate.removesuffix(end)))
        # the quick ratios are upper bounds: a word of 40,000 letters is like no name, and comparing it takes seconds
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
            best, name = matcher.ratio(), candidate
    return name


def likeness(word: str, name: str) -> float:
    """Return how alike two names are, from 0 to 1; a word that a name begins with is as good as it."""
    word, name = _plain(word), _plain(name)
    if len(word) >= BEGINNING and name.startswith(word):
        return 1.0
    return SequenceMatcher(None, word, name).ratio()


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the end of an error text, `; did you mean "Pooling"?`, or "" where no known name is like `word`."""
    name = nearest(word, known)
    return f'; did you mean "{name}"?' if name else ""


def any_of(names: Iterable[str]) -> str:
    """Return the names as `MAX, AVE or STOCHASTIC`."""
    *front, last = names
    return f"{', '.join(front)} or {last}" if front else last
