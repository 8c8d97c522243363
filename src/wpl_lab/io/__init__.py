"""Files that are written atomically, and tensors with metadata and a checksum."""
