"""Scrapes: every sample of a registry, and the registries of all processes with everything to tell."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.operations.metrics import Metrics
from tests.unit.operations import (
    test_alert_site,
    test_dashboard_metrics,
    test_metrics,
    test_reconcile_metrics,
)


def shown(registry: CollectorRegistry) -> dict[str, float]:
    """Scrape a registry and return every sample by its name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def every_registry() -> dict[str, CollectorRegistry]:
    """Return the registry of each process, by the process."""
    worker = Metrics()
    worker.reading = test_metrics.PROVER
    return {
        "worker": worker.registry,
        "alerts": test_alert_site.full().registry,
        "reconcile": test_reconcile_metrics.full().registry,
        "dashboard": test_dashboard_metrics.full().registry,
    }


def metrics_of(registry: CollectorRegistry) -> set[str]:
    """Return the names of a process's own metrics as the documentation has them."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
        if family.name.startswith("funnelproof_")
    }
