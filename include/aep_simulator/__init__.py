"""A stand-in for Adobe Experience Platform (AEP) and its identity service (IMS), on one local port.

It answers the calls an on-demand audience delivery needs, as Adobe's documentation and OpenAPI files
describe them: true to the odd parts, strict about the rules, and with control calls under
``/_simulator/`` that let a test decide what goes wrong. ``README.md`` beside this file lists them.

The simulator shares no code with the Airflow provider, so that a misreading of AEP is not mirrored on
both sides.
"""
