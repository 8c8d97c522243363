"""What stands around the rules: checked parameters, identity of code, a sound working copy."""
