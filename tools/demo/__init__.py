"""`make demo`: the hub's story, told and checked on this machine."""
