"""The whole hub on this machine: the emulator, the sandbox, the deployed stack."""
