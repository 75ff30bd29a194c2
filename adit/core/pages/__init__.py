"""The pages of jobs, tasks and the shell around all pages."""
