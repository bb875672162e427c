"""Prometheus text of several services as one, each sample labelled with where it came from.

Format: https://prometheus.io/docs/instrumenting/exposition_formats (text, version 0.0.4). All lines of a metric family
must stand together, whichever service they come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*")')
_SAMPLE = re.compile(r'([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?(\s+\S.*)')


@dataclass(slots=True)
class _Family:
    """Lines about one metric family."""

    comments: dict[str, str] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)


def merge(texts: Mapping[str, str | None]) -> str:
    """Returns the texts as one, plus `up`, which is 0 for a service that could not be asked (None)."""
    families: dict[str, _Family] = {}
    for service, text in texts.items():
        if text is not None:
            _read(text, service, families)
    up = [f'up{{service="{service}"}} {0 if text is None else 1}' for service, text in texts.items()]
    lines = ["# HELP up Whether the metrics of a service could be read.", "# TYPE up gauge", *up]
    for family in families.values():
        lines += [*family.comments.values(), *family.samples]
    return "\n".join(lines) + "\n"


def _read(text: str, service: str, families: dict[str, _Family]) -> None:
    current = ""
    for line in text.splitlines():
        match line.split(maxsplit=3):
            case ["#", "HELP" | "TYPE" as kind, name, *_]:
                current = name
                families.setdefault(name, _Family()).comments.setdefault(kind, line)
            case [first, *_] if not first.startswith("#"):
                sample = _SAMPLE.fullmatch(line)
                if sample is not None:
                    # A sample belongs to the family announced before it: `x_bucket` and `x_sum` to `x`.
                    name = current if current and sample[1].startswith(current) else sample[1]
                    families.setdefault(name, _Family()).samples.append(_labelled(sample, service))


def _labelled(sample: re.Match[str], service: str) -> str:
    # A label of that name which the service set itself keeps its value under the name that Prometheus gives it.
    own = (
        (("exported_" if name == "service" else "") + name, value) for name, value in _LABEL.findall(sample[2] or "")
    )
    labels = ",".join(f"{name}={value}" for name, value in (("service", f'"{service}"'), *own))
    return f"{sample[1]}{{{labels}}}{sample[3]}"
