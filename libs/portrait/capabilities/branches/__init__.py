"""Results by branch and manager."""

from portrait.capability import Capability

CAPABILITY = Capability(name="branches", title="Results by branch and manager.")
