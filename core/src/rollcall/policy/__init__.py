"""The policy: its model, what is wrong with one, and how it is read from files."""

from __future__ import annotations

from rollcall.policy.check import Problem, check_exception, check_policy, warnings
from rollcall.policy.model import ImageAdmissionException, ImageAdmissionPolicy

__all__ = ["ImageAdmissionException", "ImageAdmissionPolicy", "Problem", "check_exception", "check_policy", "warnings"]
