"""Who a device is: the bytes of its settings, how they reach it, and the file of a fleet's devices."""
