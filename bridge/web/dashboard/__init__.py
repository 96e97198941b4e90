"""What people see in a browser: the dashboard and the softphone."""
