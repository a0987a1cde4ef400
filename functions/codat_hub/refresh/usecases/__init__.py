"""Plan, dispatch, call, wake and cancel refreshes."""
