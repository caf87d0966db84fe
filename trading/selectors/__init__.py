"""Every read for the panel, the API, the commands and the reports."""
