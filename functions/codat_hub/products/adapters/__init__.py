"""The registry in the State table and the schedules in EventBridge Scheduler."""
