"""What tests of several folders share: made-up AEP parts, a driver for calls, an AEP in memory."""
