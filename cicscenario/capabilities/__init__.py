"""What a backend, step, check or metadata kind declares of itself, what it is given to work with, and what several share."""
