"""How a device's bytes come in, one file a way; `registry` lists them."""
