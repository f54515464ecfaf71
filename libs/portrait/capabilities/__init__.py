"""Rooms: one folder per business capability, found by name (`portrait.capability`)."""
