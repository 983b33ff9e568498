"""The invariants for Prometheus: the one importer of prometheus_client (an extra)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .flows.invariants import Fact, survey


class ContentSafetyCollector(Collector):
    """Ask when scraped; register it with a registry of your own, if you have one."""

    def collect(self) -> Iterator[Metric]:
        """One gauge a fact, and whether each holds."""
        holds = GaugeMetricFamily(
            "contentsafety_check_ok",
            "1 where the promise holds, 0 where somebody has to look.",
            labels=["check", "database"],
        )
        gauges: dict[str, GaugeMetricFamily] = {}
        for fact in survey():
            holds.add_metric([fact.name, fact.database], fact.ok)
            if fact.value is not None:
                name = _name(fact)
                gauge = gauges.get(name)
                if gauge is None:
                    gauge = gauges[name] = GaugeMetricFamily(
                        name,
                        f"{fact.name} of contentsafety_check, in {fact.unit}.",
                        labels=["database"],
                    )
                gauge.add_metric([fact.database], fact.value)
        yield holds
        yield from gauges.values()

    def describe(self) -> list[Metric]:
        """Nothing: or registering would query, where a host imports its metrics."""
        return []


def scrape(accept: str) -> tuple[bytes, str]:
    """The metrics and their content type, in the format that ``accept`` asks for."""
    registry = CollectorRegistry()
    registry.register(ContentSafetyCollector())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _name(fact: Fact) -> str:
    suffix = "_seconds" if fact.unit == "seconds" else ""
    return f"contentsafety_{fact.name}{suffix}"
