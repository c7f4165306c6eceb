"""TUF metadata for gateways and Linux devices: who signs what, how it is built, published and followed."""
