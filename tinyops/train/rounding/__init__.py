"""A float network as its int8 model will compute it: where that rounds, and how, so that it can be learnt with."""
