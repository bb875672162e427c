"""Protobuf in, one call, protobuf out."""
