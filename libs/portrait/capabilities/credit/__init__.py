"""Will an applicant repay, and why."""

from portrait.capability import Capability

CAPABILITY = Capability(name="credit", title="Will an applicant repay, and why.")
