"""What provokes each message of docs/troubleshooting.md: one scenario for those that come together."""
