"""The table that marketing and BI start from."""

from portrait.capability import Capability

CAPABILITY = Capability(name="segments", title="The table that marketing and BI start from.")
