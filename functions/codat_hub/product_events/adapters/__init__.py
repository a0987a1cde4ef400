"""Read states and replays in the State table, the inbox, the event bus."""
