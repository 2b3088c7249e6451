"""Writes what changed into the CRM, record by record accounted for."""
