"""Lets a foreign AEP client, `aepp`, judge the simulated AEP: `make contract-aepp`."""
