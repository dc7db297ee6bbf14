"""Results that are kept with the object they were made of, which never changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def kept(function: Callable[[K], V]) -> Callable[[K], V]:
    """Run a function of one object once for each object; its result lives as long as the object does.

    What a function raises is not kept. The result must not be changed, nor hold the object.
    """
    known: weakref.WeakKeyDictionary[K, V] = weakref.WeakKeyDictionary()

    @wraps(function)
    def asked(item: K) -> V:
        if item not in known:
            known[item] = function(item)
        return known[item]

    return asked
