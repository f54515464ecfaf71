"""Spark itself: session, workers, jars, and small helpers for frames that every layer uses."""
