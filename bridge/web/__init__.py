"""The front door: carrier routes, operator API, dashboard, softphone."""
