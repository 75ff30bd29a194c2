"""Jobs and tasks: states, actions, dispatch, runs."""
