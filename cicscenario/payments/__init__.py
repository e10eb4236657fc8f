"""Who pays whom how much and when, planned from a seed before anything is sent."""
