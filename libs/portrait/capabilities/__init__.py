"""Rooms: one package per business capability; a room imports the kit and the rooms that it names."""
