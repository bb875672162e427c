"""The gateway: renders Envoy's configuration from the generated contract tables."""
