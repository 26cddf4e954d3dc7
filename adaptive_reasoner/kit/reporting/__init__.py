"""The rooms of the report: what is measured for it, the figures, the sections, the page."""
