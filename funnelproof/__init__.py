"""The report of stage conversions for Python programs; the command `funnelproof` does everything else.

Example: `run_id = await run_stage_conversion_report(connection, tenant_id, pipeline_id, start, end)`
"""

from streams.errors import PreconditionError, ReportError
from streams.report.report import run_stage_conversion_report

__all__ = ["PreconditionError", "ReportError", "run_stage_conversion_report"]
