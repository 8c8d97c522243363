"""Tasks (text, images) and the spaces of architectures that are searched on them."""
