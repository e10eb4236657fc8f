"""What people look at in merge requests: differences between scenarios, findings, and the pages in docs/."""
