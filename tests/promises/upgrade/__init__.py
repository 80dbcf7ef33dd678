"""Deliveries that one version of the package began and the next one finishes."""
