"""Errors of compiled operators against references of more precision, and the bounds they must keep."""
