"""What `make test` leaves out and `make thorough` runs: more of what other cases of the same test show already."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

slow = pytest.mark.slow


def thinned(values: Iterable[Any], keep: Collection[Any]) -> list[Any]:
    """All values as parameters; those that are not in `keep` run in `make thorough` alone.

    A tuple is the values of several parameters.

    Raises ValueError for a kept value that is not among them: a renamed case would run nowhere.
    """
    every = list(values)
    if lost := [k for k in keep if k not in every]:
        raise ValueError(f"{lost} are to be kept, and are not among the values")
    return [v if v in keep else pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=slow) for v in every]
