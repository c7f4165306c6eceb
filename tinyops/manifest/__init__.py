"""The formats that leave this machine: manifest, device entry, device report, and their signatures."""
