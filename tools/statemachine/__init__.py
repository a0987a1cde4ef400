"""The migration's state machine: one table, from which its definition and its picture are made."""
