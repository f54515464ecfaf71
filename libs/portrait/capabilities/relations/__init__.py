"""Who belongs together, who owns and who controls whom."""

from portrait.capability import Capability

CAPABILITY = Capability(name="relations", title="Who belongs together, who owns and who controls whom.")
