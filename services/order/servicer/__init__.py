"""The RPCs: protobuf in, one call, protobuf out."""
