"""Callbacks for common trainers; each module needs its own optional dependency."""
