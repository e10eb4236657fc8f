"""Carries out a plan: takes people through the steps, writes down every outcome, and makes the checks."""
