"""Where money goes: card fraud, tracing of funds."""

from portrait.capability import Capability

CAPABILITY = Capability(name="funds", title="Where money goes: card fraud, tracing of funds.")
