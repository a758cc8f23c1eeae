"""The transcript format: elements, reading and writing."""
