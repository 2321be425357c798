"""Near-real-time funnel conversion counts, proven equal to the canonical SQL."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.report.report import run_stage_conversion_report

__all__ = ["run_stage_conversion_report"]


def __getattr__(name: str) -> object:
    """Import the one public function when it is first asked for: `import streams` itself costs nothing."""
    if name in __all__:
        from streams.report.report import run_stage_conversion_report  # noqa: PLC0415 - see above

        return run_stage_conversion_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
