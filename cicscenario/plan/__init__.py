"""Turns a scenario into a plan, and says what the plan costs and needs before anything is changed."""
