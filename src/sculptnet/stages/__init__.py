"""Stages of a run that every method shares: data, table, feasibility, plan, training, shipping, comparing, page."""
