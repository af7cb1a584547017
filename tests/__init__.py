"""A package of its own, so that no other package called `tests`, such as the one of torch-fidelity, hides it."""
