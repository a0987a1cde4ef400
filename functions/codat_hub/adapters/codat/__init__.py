"""Codat's Platform API: the few calls we need, and what its answers mean.

`client.CodatClient` is the door; `errors` in the package above names what can go wrong.
"""
