"""De-identification profiles: seen, edited, tried, without a shell."""
