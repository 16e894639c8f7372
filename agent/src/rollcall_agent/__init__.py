"""The node's process: sees cgroups made, finds the containers among them, asks whose they are, writes it down."""
