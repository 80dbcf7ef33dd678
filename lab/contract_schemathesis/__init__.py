"""Lets `schemathesis` ask the simulated AEP whatever Adobe's OpenAPI files allow: `make contract-schemathesis`."""
