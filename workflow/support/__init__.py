"""Support of the rules: checks of parameters, digests of code, state of the working copy."""
