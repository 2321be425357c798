"""Every metric of the dashboard. docs/operations.md says how to react to each metric.

Answers, statements and failures are counted as they happen. Followers and the age of the numbers are read at each
scrape.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from streams.operations.exposition import process_registry

_ANSWER_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_QUERY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


@dataclass(frozen=True)
class DashboardReading:
    """The dashboard at a moment.

    `age` is the age in seconds of the numbers that the page shows; None while there are none. `is_answered` is None
    before the site has started.
    """

    followers: int = 0
    pages: int = 0
    age: float | None = None
    is_answered: bool | None = None


class DashboardMetrics:
    """The counters of a dashboard: an Observer. `registry` adds the metrics of the process and of `reading`."""

    def __init__(self) -> None:
        registry = self.registry = process_registry()
        # A route is a template, so labels are few; `other` is a path that no route answers. A stream counts once.
        self.requests = Counter(
            "funnelproof_dashboard_requests_total",
            "Requests by route and status.",
            ["route", "status"],
            registry=registry,
        )
        # Until the answer begins: a stream goes on for hours.
        self.request_seconds = Histogram(
            "funnelproof_dashboard_request_duration_seconds",
            "How long requests waited for their answer.",
            ["route"],
            buckets=_ANSWER_BUCKETS,
            registry=registry,
        )
        # A statement has the name of its file under sql/. A statement that was broken off counts, too.
        self.query_seconds = Histogram(
            "funnelproof_dashboard_query_duration_seconds",
            "How long statements took, by name.",
            ["query"],
            buckets=_QUERY_BUCKETS,
            registry=registry,
        )
        # silent: no answer. slow: a statement was ended by the timeout. refused: a table or a right is missing.
        self.failures = Counter(
            "funnelproof_dashboard_database_failures_total",
            "Readings without an answer, by database and reason.",
            ["database", "reason"],
            registry=registry,
        )
        for database in ("report", "crm"):
            for reason in ("silent", "slow", "refused"):
                self.failures.labels(database, reason)
        self.reading = DashboardReading()
        registry.register(self)

    def count_answer(self, route: str, status: int, seconds: float) -> None:
        """Count an answer; see Observer."""
        self.requests.labels(route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)

    def count_statement(self, name: str, seconds: float) -> None:
        """Count a statement; see Observer."""
        self.query_seconds.labels(name).observe(seconds)

    def count_failure(self, database: str, reason: str) -> None:
        """Count a reading without an answer; see Observer."""
        self.failures.labels(database, reason).inc()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of `reading`, for the registry."""
        now = self.reading
        yield GaugeMetricFamily("funnelproof_dashboard_followers", "Open live streams.", value=now.followers)
        # Followers of one page share what is read: the load grows with the pages.
        yield GaugeMetricFamily(
            "funnelproof_dashboard_followed_pages", "Different pages that are followed.", value=now.pages
        )
        if now.age is not None:
            # By the oldest partition. While the database is away, the numbers on the screens grow older.
            yield GaugeMetricFamily(
                "funnelproof_dashboard_data_age_seconds", "Age of the numbers shown.", value=now.age
            )
        if now.is_answered is not None:
            yield GaugeMetricFamily(
                "funnelproof_dashboard_database_up",
                "Whether the report database answers the page.",
                value=now.is_answered,
            )
