"""Reading images and text from their sources, archives and folders."""
