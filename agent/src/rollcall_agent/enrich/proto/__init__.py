"""Definitions of the messages that are read, and the stubs that protoc made of them (`python -m tools.stubs`)."""
