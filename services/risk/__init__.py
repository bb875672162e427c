"""RiskService: limits that orders are checked against, exposure that they reserve, circuit breakers, alerts."""
