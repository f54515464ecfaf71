"""Campaigns: whom to contact, with what, and what the contact caused."""
