"""Repairs: what mends a difference between facts and canonical SQL, planned, recorded, done, and compared again."""

from streams.repairing.plan import RepairPlan, plan_repair
from streams.repairing.repair import Repaired, repair

__all__ = ["RepairPlan", "Repaired", "plan_repair", "repair"]
