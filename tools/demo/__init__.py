"""`make demo`: shows and checks the hub's behaviour on this machine."""
