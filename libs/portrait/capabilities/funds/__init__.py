"""Funds: where money goes - card fraud, tracing, cycles of transfers."""
