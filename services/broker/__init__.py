"""BrokerService: connections to brokers and venues, their adapters, and the routing of orders to them."""
