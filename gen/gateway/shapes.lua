-- Generated from the contracts by `make gen`; do not edit.
-- Fields are { name, kind, type, repeated, map } by each of their JSON names.
local shapes = { messages = {}, enums = {} }
shapes.messages["ordermesh.broker.v1.BustTradeRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["venue_execution_id"] = { name = "venue_execution_id", kind = "string" },
  ["venueExecutionId"] = { name = "venue_execution_id", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.CorrectTradeRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["venue_execution_id"] = { name = "venue_execution_id", kind = "string" },
  ["venueExecutionId"] = { name = "venue_execution_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["price"] = { name = "price", kind = "string" },
  ["quantity"] = { name = "quantity", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.CreateConnectionRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["display_name"] = { name = "display_name", kind = "string" },
  ["displayName"] = { name = "display_name", kind = "string" },
  ["adapter"] = { name = "adapter", kind = "string" },
  ["environment"] = { name = "environment", kind = "enum", type = "ordermesh.type.v1.Environment" },
  ["default_account_ids"] = { name = "default_account_ids", kind = "string", repeated = true },
  ["defaultAccountIds"] = { name = "default_account_ids", kind = "string", repeated = true },
  ["credentials"] = { name = "credentials", kind = "string", map = "string" },
  ["disabled"] = { name = "disabled", kind = "bool" },
}
shapes.messages["ordermesh.broker.v1.DeleteConnectionRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["version"] = { name = "version", kind = "uint32" },
}
shapes.messages["ordermesh.broker.v1.GetCapabilitiesRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.GetConnectionRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.GetFundsRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.ListConnectionsRequest"] = {
  ["adapter"] = { name = "adapter", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.ListVenueHoldingsRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.ListVenueOrdersRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.ListVenuePositionsRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.broker.v1.UpdateConnectionRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["display_name"] = { name = "display_name", kind = "string" },
  ["displayName"] = { name = "display_name", kind = "string" },
  ["disabled"] = { name = "disabled", kind = "bool" },
  ["default_account_ids"] = { name = "default_account_ids", kind = "string", repeated = true },
  ["defaultAccountIds"] = { name = "default_account_ids", kind = "string", repeated = true },
  ["credentials"] = { name = "credentials", kind = "string", map = "string" },
  ["forget_credentials"] = { name = "forget_credentials", kind = "string", repeated = true },
  ["forgetCredentials"] = { name = "forget_credentials", kind = "string", repeated = true },
  ["version"] = { name = "version", kind = "uint32" },
}
shapes.messages["ordermesh.identity.v1.ChangePasswordRequest"] = {
  ["current_password"] = { name = "current_password", kind = "string" },
  ["currentPassword"] = { name = "current_password", kind = "string" },
  ["new_password"] = { name = "new_password", kind = "string" },
  ["newPassword"] = { name = "new_password", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.ConfirmSecondFactorRequest"] = {
  ["code"] = { name = "code", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.CreateApiKeyRequest"] = {
  ["name"] = { name = "name", kind = "string" },
  ["scopes"] = { name = "scopes", kind = "enum", type = "ordermesh.identity.v1.Scope", repeated = true },
  ["allowed_networks"] = { name = "allowed_networks", kind = "string", repeated = true },
  ["allowedNetworks"] = { name = "allowed_networks", kind = "string", repeated = true },
  ["expires_at"] = { name = "expires_at", kind = "timestamp" },
  ["expiresAt"] = { name = "expires_at", kind = "timestamp" },
}
shapes.messages["ordermesh.identity.v1.CreateUserRequest"] = {
  ["username"] = { name = "username", kind = "string" },
  ["password"] = { name = "password", kind = "string" },
  ["display_name"] = { name = "display_name", kind = "string" },
  ["displayName"] = { name = "display_name", kind = "string" },
  ["email"] = { name = "email", kind = "string" },
  ["roles"] = { name = "roles", kind = "enum", type = "ordermesh.identity.v1.Role", repeated = true },
  ["account_ids"] = { name = "account_ids", kind = "string", repeated = true },
  ["accountIds"] = { name = "account_ids", kind = "string", repeated = true },
}
shapes.messages["ordermesh.identity.v1.DisableSecondFactorRequest"] = {
  ["password"] = { name = "password", kind = "string" },
  ["code"] = { name = "code", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.EnrollSecondFactorRequest"] = {
  ["password"] = { name = "password", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.ExchangeApiKeyRequest"] = {
  ["secret"] = { name = "secret", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.GetAuditRecordRequest"] = {
  ["sequence"] = { name = "sequence", kind = "uint64" },
}
shapes.messages["ordermesh.identity.v1.GetJsonWebKeySetRequest"] = {
}
shapes.messages["ordermesh.identity.v1.GetProfileRequest"] = {
}
shapes.messages["ordermesh.identity.v1.GetUserRequest"] = {
  ["user_id"] = { name = "user_id", kind = "string" },
  ["userId"] = { name = "user_id", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.ListApiKeysRequest"] = {
  ["include_revoked"] = { name = "include_revoked", kind = "bool" },
  ["includeRevoked"] = { name = "include_revoked", kind = "bool" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.ListAuditRecordsRequest"] = {
  ["user_id"] = { name = "user_id", kind = "string" },
  ["userId"] = { name = "user_id", kind = "string" },
  ["entity_type"] = { name = "entity_type", kind = "string" },
  ["entityType"] = { name = "entity_type", kind = "string" },
  ["entity_id"] = { name = "entity_id", kind = "string" },
  ["entityId"] = { name = "entity_id", kind = "string" },
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["source"] = { name = "source", kind = "string" },
  ["request_id"] = { name = "request_id", kind = "string" },
  ["requestId"] = { name = "request_id", kind = "string" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.ListSessionsRequest"] = {
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.ListUsersRequest"] = {
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.LoginRequest"] = {
  ["username"] = { name = "username", kind = "string" },
  ["password"] = { name = "password", kind = "string" },
  ["environment"] = { name = "environment", kind = "enum", type = "ordermesh.type.v1.Environment" },
  ["client"] = { name = "client", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.LogoutRequest"] = {
}
shapes.messages["ordermesh.identity.v1.RefreshTokensRequest"] = {
  ["refresh_token"] = { name = "refresh_token", kind = "string" },
  ["refreshToken"] = { name = "refresh_token", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.RegisterRequest"] = {
  ["username"] = { name = "username", kind = "string" },
  ["password"] = { name = "password", kind = "string" },
  ["environment"] = { name = "environment", kind = "enum", type = "ordermesh.type.v1.Environment" },
  ["display_name"] = { name = "display_name", kind = "string" },
  ["displayName"] = { name = "display_name", kind = "string" },
  ["email"] = { name = "email", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.RenewRecoveryCodesRequest"] = {
  ["code"] = { name = "code", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.RevokeApiKeyRequest"] = {
  ["api_key_id"] = { name = "api_key_id", kind = "string" },
  ["apiKeyId"] = { name = "api_key_id", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.RevokeSessionRequest"] = {
  ["session_id"] = { name = "session_id", kind = "string" },
  ["sessionId"] = { name = "session_id", kind = "string" },
}
shapes.messages["ordermesh.identity.v1.UpdateProfileRequest"] = {
  ["display_name"] = { name = "display_name", kind = "string" },
  ["displayName"] = { name = "display_name", kind = "string" },
  ["email"] = { name = "email", kind = "string" },
  ["version"] = { name = "version", kind = "uint32" },
}
shapes.messages["ordermesh.identity.v1.UpdateUserRequest"] = {
  ["user_id"] = { name = "user_id", kind = "string" },
  ["userId"] = { name = "user_id", kind = "string" },
  ["roles"] = { name = "roles", kind = "enum", type = "ordermesh.identity.v1.Role", repeated = true },
  ["account_ids"] = { name = "account_ids", kind = "string", repeated = true },
  ["accountIds"] = { name = "account_ids", kind = "string", repeated = true },
  ["disabled"] = { name = "disabled", kind = "bool" },
  ["version"] = { name = "version", kind = "uint32" },
}
shapes.messages["ordermesh.identity.v1.VerifyAuditRequest"] = {
  ["after_sequence"] = { name = "after_sequence", kind = "uint64" },
  ["afterSequence"] = { name = "after_sequence", kind = "uint64" },
  ["after_hash"] = { name = "after_hash", kind = "string" },
  ["afterHash"] = { name = "after_hash", kind = "string" },
  ["limit"] = { name = "limit", kind = "uint32" },
  ["order_log"] = { name = "order_log", kind = "bool" },
  ["orderLog"] = { name = "order_log", kind = "bool" },
}
shapes.messages["ordermesh.identity.v1.VerifySecondFactorRequest"] = {
  ["challenge"] = { name = "challenge", kind = "string" },
  ["code"] = { name = "code", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.BeginAuctionRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["kind"] = { name = "kind", kind = "enum", type = "ordermesh.marketdata.v1.AuctionKind" },
}
shapes.messages["ordermesh.marketdata.v1.CreateInstrumentRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["description"] = { name = "description", kind = "string" },
  ["asset_class"] = { name = "asset_class", kind = "enum", type = "ordermesh.marketdata.v1.AssetClass" },
  ["assetClass"] = { name = "asset_class", kind = "enum", type = "ordermesh.marketdata.v1.AssetClass" },
  ["currency"] = { name = "currency", kind = "string" },
  ["tick_size"] = { name = "tick_size", kind = "string" },
  ["tickSize"] = { name = "tick_size", kind = "string" },
  ["lot_size"] = { name = "lot_size", kind = "string" },
  ["lotSize"] = { name = "lot_size", kind = "string" },
  ["min_quantity"] = { name = "min_quantity", kind = "string" },
  ["minQuantity"] = { name = "min_quantity", kind = "string" },
  ["max_quantity"] = { name = "max_quantity", kind = "string" },
  ["maxQuantity"] = { name = "max_quantity", kind = "string" },
  ["contract_multiplier"] = { name = "contract_multiplier", kind = "string" },
  ["contractMultiplier"] = { name = "contract_multiplier", kind = "string" },
  ["expires_at"] = { name = "expires_at", kind = "timestamp" },
  ["expiresAt"] = { name = "expires_at", kind = "timestamp" },
}
shapes.messages["ordermesh.marketdata.v1.GetInstrumentRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.GetOrderBookRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["depth"] = { name = "depth", kind = "uint32" },
}
shapes.messages["ordermesh.marketdata.v1.GetQuoteRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["venue"] = { name = "venue", kind = "string" },
  ["symbol"] = { name = "symbol", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.ListCandlesRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["venue"] = { name = "venue", kind = "string" },
  ["symbol"] = { name = "symbol", kind = "string" },
  ["interval"] = { name = "interval", kind = "enum", type = "ordermesh.marketdata.v1.CandleInterval" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.ListInstrumentsRequest"] = {
  ["venue"] = { name = "venue", kind = "string" },
  ["asset_class"] = { name = "asset_class", kind = "enum", type = "ordermesh.marketdata.v1.AssetClass" },
  ["assetClass"] = { name = "asset_class", kind = "enum", type = "ordermesh.marketdata.v1.AssetClass" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.ListMarketTradesRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.ListQuotesRequest"] = {
  ["instruments"] = { name = "instruments", kind = "string", repeated = true },
  ["venue"] = { name = "venue", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.StreamCandlesRequest"] = {
  ["instruments"] = { name = "instruments", kind = "string", repeated = true },
  ["interval"] = { name = "interval", kind = "enum", type = "ordermesh.marketdata.v1.CandleInterval" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
}
shapes.messages["ordermesh.marketdata.v1.StreamOrderBookRequest"] = {
  ["instruments"] = { name = "instruments", kind = "string", repeated = true },
  ["depth"] = { name = "depth", kind = "uint32" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
}
shapes.messages["ordermesh.marketdata.v1.StreamQuotesRequest"] = {
  ["instruments"] = { name = "instruments", kind = "string", repeated = true },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
  ["conflation_interval"] = { name = "conflation_interval", kind = "duration" },
  ["conflationInterval"] = { name = "conflation_interval", kind = "duration" },
}
shapes.messages["ordermesh.marketdata.v1.StreamTradesRequest"] = {
  ["instruments"] = { name = "instruments", kind = "string", repeated = true },
  ["recent_trades"] = { name = "recent_trades", kind = "uint32" },
  ["recentTrades"] = { name = "recent_trades", kind = "uint32" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
}
shapes.messages["ordermesh.marketdata.v1.UncrossAuctionRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["reference_price"] = { name = "reference_price", kind = "string" },
  ["referencePrice"] = { name = "reference_price", kind = "string" },
}
shapes.messages["ordermesh.marketdata.v1.UpdateInstrumentRequest"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["status"] = { name = "status", kind = "enum", type = "ordermesh.marketdata.v1.InstrumentStatus" },
  ["expected_version"] = { name = "expected_version", kind = "uint32" },
  ["expectedVersion"] = { name = "expected_version", kind = "uint32" },
}
shapes.messages["ordermesh.order.v1.Algorithm"] = {
  ["twap"] = { name = "twap", kind = "message", type = "ordermesh.order.v1.Twap" },
  ["vwap"] = { name = "vwap", kind = "message", type = "ordermesh.order.v1.Vwap" },
  ["participation_of_volume"] = { name = "participation_of_volume", kind = "message", type = "ordermesh.order.v1.ParticipationOfVolume" },
  ["participationOfVolume"] = { name = "participation_of_volume", kind = "message", type = "ordermesh.order.v1.ParticipationOfVolume" },
  ["implementation_shortfall"] = { name = "implementation_shortfall", kind = "message", type = "ordermesh.order.v1.ImplementationShortfallAlgorithm" },
  ["implementationShortfall"] = { name = "implementation_shortfall", kind = "message", type = "ordermesh.order.v1.ImplementationShortfallAlgorithm" },
  ["smart_routing"] = { name = "smart_routing", kind = "message", type = "ordermesh.order.v1.SmartRouting" },
  ["smartRouting"] = { name = "smart_routing", kind = "message", type = "ordermesh.order.v1.SmartRouting" },
  ["start_time"] = { name = "start_time", kind = "timestamp" },
  ["startTime"] = { name = "start_time", kind = "timestamp" },
  ["end_time"] = { name = "end_time", kind = "timestamp" },
  ["endTime"] = { name = "end_time", kind = "timestamp" },
  ["child_aggressiveness"] = { name = "child_aggressiveness", kind = "enum", type = "ordermesh.order.v1.ChildAggressiveness" },
  ["childAggressiveness"] = { name = "child_aggressiveness", kind = "enum", type = "ordermesh.order.v1.ChildAggressiveness" },
  ["max_participation"] = { name = "max_participation", kind = "string" },
  ["maxParticipation"] = { name = "max_participation", kind = "string" },
  ["cross_at_end"] = { name = "cross_at_end", kind = "bool" },
  ["crossAtEnd"] = { name = "cross_at_end", kind = "bool" },
  ["plan"] = { name = "plan", kind = "message", type = "ordermesh.order.v1.AlgorithmPlan" },
}
shapes.messages["ordermesh.order.v1.AlgorithmPlan"] = {
  ["basis"] = { name = "basis", kind = "string" },
  ["expected_volumes"] = { name = "expected_volumes", kind = "string", repeated = true },
  ["expectedVolumes"] = { name = "expected_volumes", kind = "string", repeated = true },
  ["volatility"] = { name = "volatility", kind = "string" },
  ["temporary_impact"] = { name = "temporary_impact", kind = "string" },
  ["temporaryImpact"] = { name = "temporary_impact", kind = "string" },
  ["permanent_impact"] = { name = "permanent_impact", kind = "string" },
  ["permanentImpact"] = { name = "permanent_impact", kind = "string" },
  ["fixed_cost"] = { name = "fixed_cost", kind = "string" },
  ["fixedCost"] = { name = "fixed_cost", kind = "string" },
  ["routing"] = { name = "routing", kind = "message", type = "ordermesh.order.v1.RoutingPlan" },
}
shapes.messages["ordermesh.order.v1.CancelAllOrdersRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["side"] = { name = "side", kind = "enum", type = "ordermesh.type.v1.Side" },
  ["order_list_id"] = { name = "order_list_id", kind = "string" },
  ["orderListId"] = { name = "order_list_id", kind = "string" },
  ["strategy_id"] = { name = "strategy_id", kind = "string" },
  ["strategyId"] = { name = "strategy_id", kind = "string" },
}
shapes.messages["ordermesh.order.v1.CancelOrderListRequest"] = {
  ["order_list_id"] = { name = "order_list_id", kind = "string" },
  ["orderListId"] = { name = "order_list_id", kind = "string" },
}
shapes.messages["ordermesh.order.v1.CancelOrderRequest"] = {
  ["order_id"] = { name = "order_id", kind = "string" },
  ["orderId"] = { name = "order_id", kind = "string" },
}
shapes.messages["ordermesh.order.v1.GetExecutionQualityRequest"] = {
  ["order_id"] = { name = "order_id", kind = "string" },
  ["orderId"] = { name = "order_id", kind = "string" },
  ["impact_interval"] = { name = "impact_interval", kind = "duration" },
  ["impactInterval"] = { name = "impact_interval", kind = "duration" },
}
shapes.messages["ordermesh.order.v1.GetOrderHistoryRequest"] = {
  ["order_id"] = { name = "order_id", kind = "string" },
  ["orderId"] = { name = "order_id", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.order.v1.GetOrderListRequest"] = {
  ["order_list_id"] = { name = "order_list_id", kind = "string" },
  ["orderListId"] = { name = "order_list_id", kind = "string" },
}
shapes.messages["ordermesh.order.v1.GetOrderRequest"] = {
  ["order_id"] = { name = "order_id", kind = "string" },
  ["orderId"] = { name = "order_id", kind = "string" },
}
shapes.messages["ordermesh.order.v1.GetTradeRequest"] = {
  ["trade_id"] = { name = "trade_id", kind = "string" },
  ["tradeId"] = { name = "trade_id", kind = "string" },
}
shapes.messages["ordermesh.order.v1.ImplementationShortfallAlgorithm"] = {
  ["risk_aversion"] = { name = "risk_aversion", kind = "string" },
  ["riskAversion"] = { name = "risk_aversion", kind = "string" },
  ["volatility"] = { name = "volatility", kind = "string" },
  ["temporary_impact"] = { name = "temporary_impact", kind = "string" },
  ["temporaryImpact"] = { name = "temporary_impact", kind = "string" },
  ["permanent_impact"] = { name = "permanent_impact", kind = "string" },
  ["permanentImpact"] = { name = "permanent_impact", kind = "string" },
  ["fixed_cost"] = { name = "fixed_cost", kind = "string" },
  ["fixedCost"] = { name = "fixed_cost", kind = "string" },
  ["slice_interval"] = { name = "slice_interval", kind = "duration" },
  ["sliceInterval"] = { name = "slice_interval", kind = "duration" },
}
shapes.messages["ordermesh.order.v1.ListOrderListsRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["client_order_list_id"] = { name = "client_order_list_id", kind = "string" },
  ["clientOrderListId"] = { name = "client_order_list_id", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.order.v1.ListOrdersRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["status"] = { name = "status", kind = "enum", type = "ordermesh.order.v1.OrderStatus", repeated = true },
  ["client_order_id"] = { name = "client_order_id", kind = "string" },
  ["clientOrderId"] = { name = "client_order_id", kind = "string" },
  ["parent_order_id"] = { name = "parent_order_id", kind = "string" },
  ["parentOrderId"] = { name = "parent_order_id", kind = "string" },
  ["order_list_id"] = { name = "order_list_id", kind = "string" },
  ["orderListId"] = { name = "order_list_id", kind = "string" },
  ["strategy_id"] = { name = "strategy_id", kind = "string" },
  ["strategyId"] = { name = "strategy_id", kind = "string" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.order.v1.ListReconciliationsRequest"] = {
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["kinds"] = { name = "kinds", kind = "enum", type = "ordermesh.order.v1.ReconciliationKind", repeated = true },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.order.v1.ListTradesRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["order_id"] = { name = "order_id", kind = "string" },
  ["orderId"] = { name = "order_id", kind = "string" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.order.v1.ParticipationOfVolume"] = {
  ["target_rate"] = { name = "target_rate", kind = "string" },
  ["targetRate"] = { name = "target_rate", kind = "string" },
  ["min_child_quantity"] = { name = "min_child_quantity", kind = "string" },
  ["minChildQuantity"] = { name = "min_child_quantity", kind = "string" },
  ["max_child_quantity"] = { name = "max_child_quantity", kind = "string" },
  ["maxChildQuantity"] = { name = "max_child_quantity", kind = "string" },
}
shapes.messages["ordermesh.order.v1.PlaceOrderListRequest"] = {
  ["client_order_list_id"] = { name = "client_order_list_id", kind = "string" },
  ["clientOrderListId"] = { name = "client_order_list_id", kind = "string" },
  ["contingency_type"] = { name = "contingency_type", kind = "enum", type = "ordermesh.order.v1.ContingencyType" },
  ["contingencyType"] = { name = "contingency_type", kind = "enum", type = "ordermesh.order.v1.ContingencyType" },
  ["orders"] = { name = "orders", kind = "message", type = "ordermesh.order.v1.PlaceOrderRequest", repeated = true },
}
shapes.messages["ordermesh.order.v1.PlaceOrderRequest"] = {
  ["client_order_id"] = { name = "client_order_id", kind = "string" },
  ["clientOrderId"] = { name = "client_order_id", kind = "string" },
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["side"] = { name = "side", kind = "enum", type = "ordermesh.type.v1.Side" },
  ["type"] = { name = "type", kind = "enum", type = "ordermesh.type.v1.OrderType" },
  ["time_in_force"] = { name = "time_in_force", kind = "enum", type = "ordermesh.type.v1.TimeInForce" },
  ["timeInForce"] = { name = "time_in_force", kind = "enum", type = "ordermesh.type.v1.TimeInForce" },
  ["quantity"] = { name = "quantity", kind = "string" },
  ["limit_price"] = { name = "limit_price", kind = "string" },
  ["limitPrice"] = { name = "limit_price", kind = "string" },
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["stop_price"] = { name = "stop_price", kind = "string" },
  ["stopPrice"] = { name = "stop_price", kind = "string" },
  ["expire_at"] = { name = "expire_at", kind = "timestamp" },
  ["expireAt"] = { name = "expire_at", kind = "timestamp" },
  ["trailing_stop"] = { name = "trailing_stop", kind = "message", type = "ordermesh.order.v1.TrailingStop" },
  ["trailingStop"] = { name = "trailing_stop", kind = "message", type = "ordermesh.order.v1.TrailingStop" },
  ["post_only"] = { name = "post_only", kind = "bool" },
  ["postOnly"] = { name = "post_only", kind = "bool" },
  ["algorithm"] = { name = "algorithm", kind = "message", type = "ordermesh.order.v1.Algorithm" },
  ["strategy_id"] = { name = "strategy_id", kind = "string" },
  ["strategyId"] = { name = "strategy_id", kind = "string" },
  ["display_quantity"] = { name = "display_quantity", kind = "string" },
  ["displayQuantity"] = { name = "display_quantity", kind = "string" },
  ["reduce_only"] = { name = "reduce_only", kind = "bool" },
  ["reduceOnly"] = { name = "reduce_only", kind = "bool" },
}
shapes.messages["ordermesh.order.v1.PlaceOrdersRequest"] = {
  ["orders"] = { name = "orders", kind = "message", type = "ordermesh.order.v1.PlaceOrderRequest", repeated = true },
}
shapes.messages["ordermesh.order.v1.PlannedRoute"] = {
  ["instrument"] = { name = "instrument", kind = "string" },
  ["connection_id"] = { name = "connection_id", kind = "string" },
  ["connectionId"] = { name = "connection_id", kind = "string" },
  ["quantity"] = { name = "quantity", kind = "string" },
  ["limit_price"] = { name = "limit_price", kind = "string" },
  ["limitPrice"] = { name = "limit_price", kind = "string" },
  ["rests"] = { name = "rests", kind = "bool" },
  ["expected_price"] = { name = "expected_price", kind = "string" },
  ["expectedPrice"] = { name = "expected_price", kind = "string" },
  ["expected_cost"] = { name = "expected_cost", kind = "string" },
  ["expectedCost"] = { name = "expected_cost", kind = "string" },
  ["expected_fee"] = { name = "expected_fee", kind = "string" },
  ["expectedFee"] = { name = "expected_fee", kind = "string" },
  ["fill_probability"] = { name = "fill_probability", kind = "string" },
  ["fillProbability"] = { name = "fill_probability", kind = "string" },
  ["latency_seconds"] = { name = "latency_seconds", kind = "string" },
  ["latencySeconds"] = { name = "latency_seconds", kind = "string" },
}
shapes.messages["ordermesh.order.v1.PreviewOrderRequest"] = {
  ["order"] = { name = "order", kind = "message", type = "ordermesh.order.v1.PlaceOrderRequest" },
}
shapes.messages["ordermesh.order.v1.ReplaceOrderRequest"] = {
  ["order_id"] = { name = "order_id", kind = "string" },
  ["orderId"] = { name = "order_id", kind = "string" },
  ["replace_id"] = { name = "replace_id", kind = "string" },
  ["replaceId"] = { name = "replace_id", kind = "string" },
  ["quantity"] = { name = "quantity", kind = "string" },
  ["limit_price"] = { name = "limit_price", kind = "string" },
  ["limitPrice"] = { name = "limit_price", kind = "string" },
  ["expected_version"] = { name = "expected_version", kind = "uint32" },
  ["expectedVersion"] = { name = "expected_version", kind = "uint32" },
  ["stop_price"] = { name = "stop_price", kind = "string" },
  ["stopPrice"] = { name = "stop_price", kind = "string" },
  ["expire_at"] = { name = "expire_at", kind = "timestamp" },
  ["expireAt"] = { name = "expire_at", kind = "timestamp" },
  ["trailing_stop"] = { name = "trailing_stop", kind = "message", type = "ordermesh.order.v1.TrailingStop" },
  ["trailingStop"] = { name = "trailing_stop", kind = "message", type = "ordermesh.order.v1.TrailingStop" },
}
shapes.messages["ordermesh.order.v1.RoutingPlan"] = {
  ["round"] = { name = "round", kind = "uint32" },
  ["routes"] = { name = "routes", kind = "message", type = "ordermesh.order.v1.PlannedRoute", repeated = true },
  ["unrouted_quantity"] = { name = "unrouted_quantity", kind = "string" },
  ["unroutedQuantity"] = { name = "unrouted_quantity", kind = "string" },
}
shapes.messages["ordermesh.order.v1.SmartRouting"] = {
  ["venues"] = { name = "venues", kind = "string", repeated = true },
  ["connection_ids"] = { name = "connection_ids", kind = "string", repeated = true },
  ["connectionIds"] = { name = "connection_ids", kind = "string", repeated = true },
  ["max_venue_quantity"] = { name = "max_venue_quantity", kind = "string" },
  ["maxVenueQuantity"] = { name = "max_venue_quantity", kind = "string" },
  ["max_rounds"] = { name = "max_rounds", kind = "uint32" },
  ["maxRounds"] = { name = "max_rounds", kind = "uint32" },
}
shapes.messages["ordermesh.order.v1.StreamOrdersRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
  ["resume_token"] = { name = "resume_token", kind = "string" },
  ["resumeToken"] = { name = "resume_token", kind = "string" },
}
shapes.messages["ordermesh.order.v1.SummarizeExecutionQualityRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["day"] = { name = "day", kind = "string" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
}
shapes.messages["ordermesh.order.v1.SummarizeTradesRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
}
shapes.messages["ordermesh.order.v1.TrailingStop"] = {
  ["amount"] = { name = "amount", kind = "string" },
  ["percent"] = { name = "percent", kind = "string" },
  ["ticks"] = { name = "ticks", kind = "uint32" },
  ["reference_price"] = { name = "reference_price", kind = "string" },
  ["referencePrice"] = { name = "reference_price", kind = "string" },
  ["as_of"] = { name = "as_of", kind = "timestamp" },
  ["asOf"] = { name = "as_of", kind = "timestamp" },
}
shapes.messages["ordermesh.order.v1.Twap"] = {
  ["slice_interval"] = { name = "slice_interval", kind = "duration" },
  ["sliceInterval"] = { name = "slice_interval", kind = "duration" },
  ["randomisation"] = { name = "randomisation", kind = "string" },
}
shapes.messages["ordermesh.order.v1.Vwap"] = {
  ["history_days"] = { name = "history_days", kind = "uint32" },
  ["historyDays"] = { name = "history_days", kind = "uint32" },
  ["slice_interval"] = { name = "slice_interval", kind = "duration" },
  ["sliceInterval"] = { name = "slice_interval", kind = "duration" },
}
shapes.messages["ordermesh.portfolio.v1.AddPortfolioPositionRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.CreateAccountRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["name"] = { name = "name", kind = "string" },
  ["environment"] = { name = "environment", kind = "enum", type = "ordermesh.type.v1.Environment" },
  ["base_currency"] = { name = "base_currency", kind = "string" },
  ["baseCurrency"] = { name = "base_currency", kind = "string" },
  ["balances"] = { name = "balances", kind = "message", type = "ordermesh.portfolio.v1.OpeningBalance", repeated = true },
}
shapes.messages["ordermesh.portfolio.v1.CreatePortfolioRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["name"] = { name = "name", kind = "string" },
  ["description"] = { name = "description", kind = "string" },
  ["base_currency"] = { name = "base_currency", kind = "string" },
  ["baseCurrency"] = { name = "base_currency", kind = "string" },
  ["instruments"] = { name = "instruments", kind = "string", repeated = true },
}
shapes.messages["ordermesh.portfolio.v1.DeletePortfolioRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.GetAccountRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.GetBalancesRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.GetPortfolioRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.GetPositionRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["venue"] = { name = "venue", kind = "string" },
  ["symbol"] = { name = "symbol", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.ListAccountsRequest"] = {
  ["environment"] = { name = "environment", kind = "enum", type = "ordermesh.type.v1.Environment" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.ListPortfolioPositionsRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["include_closed"] = { name = "include_closed", kind = "bool" },
  ["includeClosed"] = { name = "include_closed", kind = "bool" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.ListPortfoliosRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.ListPositionsRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["include_closed"] = { name = "include_closed", kind = "bool" },
  ["includeClosed"] = { name = "include_closed", kind = "bool" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.OpeningBalance"] = {
  ["currency"] = { name = "currency", kind = "string" },
  ["amount"] = { name = "amount", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.RemovePortfolioPositionRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.ResetSimulationAccountRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["request_id"] = { name = "request_id", kind = "string" },
  ["requestId"] = { name = "request_id", kind = "string" },
  ["text"] = { name = "text", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.SetSimulationBalanceRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["request_id"] = { name = "request_id", kind = "string" },
  ["requestId"] = { name = "request_id", kind = "string" },
  ["currency"] = { name = "currency", kind = "string" },
  ["amount"] = { name = "amount", kind = "string" },
  ["text"] = { name = "text", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.StreamPortfolioRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
  ["update_interval"] = { name = "update_interval", kind = "duration" },
  ["updateInterval"] = { name = "update_interval", kind = "duration" },
  ["resume_token"] = { name = "resume_token", kind = "string" },
  ["resumeToken"] = { name = "resume_token", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.StreamPositionsRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["instrument"] = { name = "instrument", kind = "string" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
  ["resume_token"] = { name = "resume_token", kind = "string" },
  ["resumeToken"] = { name = "resume_token", kind = "string" },
}
shapes.messages["ordermesh.portfolio.v1.UpdatePortfolioRequest"] = {
  ["portfolio_id"] = { name = "portfolio_id", kind = "string" },
  ["portfolioId"] = { name = "portfolio_id", kind = "string" },
  ["name"] = { name = "name", kind = "string" },
  ["description"] = { name = "description", kind = "string" },
  ["base_currency"] = { name = "base_currency", kind = "string" },
  ["baseCurrency"] = { name = "base_currency", kind = "string" },
  ["version"] = { name = "version", kind = "uint32" },
}
shapes.messages["ordermesh.risk.v1.EmergencyStopRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["firm"] = { name = "firm", kind = "bool" },
  ["state"] = { name = "state", kind = "enum", type = "ordermesh.risk.v1.TradingState" },
  ["cancel_open_orders"] = { name = "cancel_open_orders", kind = "bool" },
  ["cancelOpenOrders"] = { name = "cancel_open_orders", kind = "bool" },
  ["text"] = { name = "text", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.GetCircuitBreakerRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.GetRiskMetricsRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.GetRiskParametersRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.GetTradingStateRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.ListAlertsRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["kinds"] = { name = "kinds", kind = "enum", type = "ordermesh.risk.v1.RiskAlertKind", repeated = true },
  ["from"] = { name = "from", kind = "timestamp" },
  ["to"] = { name = "to", kind = "timestamp" },
  ["page_size"] = { name = "page_size", kind = "uint32" },
  ["pageSize"] = { name = "page_size", kind = "uint32" },
  ["page_token"] = { name = "page_token", kind = "string" },
  ["pageToken"] = { name = "page_token", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.ResetCircuitBreakerRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["text"] = { name = "text", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.ResumeRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["firm"] = { name = "firm", kind = "bool" },
  ["text"] = { name = "text", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.RiskParameters"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["max_order_size"] = { name = "max_order_size", kind = "string" },
  ["maxOrderSize"] = { name = "max_order_size", kind = "string" },
  ["max_position_size"] = { name = "max_position_size", kind = "string" },
  ["maxPositionSize"] = { name = "max_position_size", kind = "string" },
  ["max_order_value"] = { name = "max_order_value", kind = "string" },
  ["maxOrderValue"] = { name = "max_order_value", kind = "string" },
  ["max_position_value"] = { name = "max_position_value", kind = "string" },
  ["maxPositionValue"] = { name = "max_position_value", kind = "string" },
  ["price_band_percent"] = { name = "price_band_percent", kind = "string" },
  ["priceBandPercent"] = { name = "price_band_percent", kind = "string" },
  ["max_daily_loss"] = { name = "max_daily_loss", kind = "string" },
  ["maxDailyLoss"] = { name = "max_daily_loss", kind = "string" },
  ["max_daily_trades"] = { name = "max_daily_trades", kind = "uint32" },
  ["maxDailyTrades"] = { name = "max_daily_trades", kind = "uint32" },
  ["max_daily_volume"] = { name = "max_daily_volume", kind = "string" },
  ["maxDailyVolume"] = { name = "max_daily_volume", kind = "string" },
  ["circuit_breaker_enabled"] = { name = "circuit_breaker_enabled", kind = "bool" },
  ["circuitBreakerEnabled"] = { name = "circuit_breaker_enabled", kind = "bool" },
  ["circuit_breaker_refusals"] = { name = "circuit_breaker_refusals", kind = "uint32" },
  ["circuitBreakerRefusals"] = { name = "circuit_breaker_refusals", kind = "uint32" },
  ["version"] = { name = "version", kind = "uint32" },
  ["updated_at"] = { name = "updated_at", kind = "timestamp" },
  ["updatedAt"] = { name = "updated_at", kind = "timestamp" },
  ["environment"] = { name = "environment", kind = "enum", type = "ordermesh.type.v1.Environment" },
}
shapes.messages["ordermesh.risk.v1.StreamAlertsRequest"] = {
  ["account_id"] = { name = "account_id", kind = "string" },
  ["accountId"] = { name = "account_id", kind = "string" },
  ["heartbeat_interval"] = { name = "heartbeat_interval", kind = "duration" },
  ["heartbeatInterval"] = { name = "heartbeat_interval", kind = "duration" },
  ["resume_token"] = { name = "resume_token", kind = "string" },
  ["resumeToken"] = { name = "resume_token", kind = "string" },
}
shapes.messages["ordermesh.risk.v1.UpdateRiskParametersRequest"] = {
  ["parameters"] = { name = "parameters", kind = "message", type = "ordermesh.risk.v1.RiskParameters" },
}
shapes.messages["ordermesh.system.v1.GetHealthRequest"] = {
}
shapes.messages["ordermesh.system.v1.GetMetricsRequest"] = {
}
shapes.messages["ordermesh.system.v1.GetReadinessRequest"] = {
}
shapes.enums["ordermesh.identity.v1.Role"] = {
  ["ROLE_UNSPECIFIED"] = 0,
  ["ROLE_TRADER"] = 1,
  ["ROLE_DEALER"] = 2,
  ["ROLE_RISK_MANAGER"] = 3,
  ["ROLE_COMPLIANCE"] = 4,
  ["ROLE_ADMIN"] = 5,
  ["ROLE_SERVICE"] = 6,
}
shapes.enums["ordermesh.identity.v1.Scope"] = {
  ["SCOPE_UNSPECIFIED"] = 0,
  ["SCOPE_READ"] = 1,
  ["SCOPE_TRADE"] = 2,
  ["SCOPE_MANAGE"] = 3,
}
shapes.enums["ordermesh.marketdata.v1.AssetClass"] = {
  ["ASSET_CLASS_UNSPECIFIED"] = 0,
  ["ASSET_CLASS_EQUITY"] = 1,
  ["ASSET_CLASS_CRYPTO"] = 2,
  ["ASSET_CLASS_FX"] = 3,
  ["ASSET_CLASS_FUTURE"] = 4,
}
shapes.enums["ordermesh.marketdata.v1.AuctionKind"] = {
  ["AUCTION_KIND_UNSPECIFIED"] = 0,
  ["AUCTION_KIND_OPENING"] = 1,
  ["AUCTION_KIND_CLOSING"] = 2,
}
shapes.enums["ordermesh.marketdata.v1.CandleInterval"] = {
  ["CANDLE_INTERVAL_UNSPECIFIED"] = 0,
  ["CANDLE_INTERVAL_1S"] = 1,
  ["CANDLE_INTERVAL_1M"] = 2,
  ["CANDLE_INTERVAL_5M"] = 3,
  ["CANDLE_INTERVAL_15M"] = 4,
  ["CANDLE_INTERVAL_1H"] = 5,
  ["CANDLE_INTERVAL_1D"] = 6,
}
shapes.enums["ordermesh.marketdata.v1.InstrumentStatus"] = {
  ["INSTRUMENT_STATUS_UNSPECIFIED"] = 0,
  ["INSTRUMENT_STATUS_TRADING"] = 1,
  ["INSTRUMENT_STATUS_HALTED"] = 2,
  ["INSTRUMENT_STATUS_CALL_AUCTION"] = 3,
}
shapes.enums["ordermesh.order.v1.ChildAggressiveness"] = {
  ["CHILD_AGGRESSIVENESS_UNSPECIFIED"] = 0,
  ["CHILD_AGGRESSIVENESS_PASSIVE"] = 1,
  ["CHILD_AGGRESSIVENESS_NEUTRAL"] = 2,
  ["CHILD_AGGRESSIVENESS_AGGRESSIVE"] = 3,
}
shapes.enums["ordermesh.order.v1.ContingencyType"] = {
  ["CONTINGENCY_TYPE_UNSPECIFIED"] = 0,
  ["CONTINGENCY_TYPE_ONE_CANCELS_THE_OTHER"] = 1,
  ["CONTINGENCY_TYPE_ONE_TRIGGERS_THE_OTHER"] = 2,
  ["CONTINGENCY_TYPE_BRACKET"] = 3,
}
shapes.enums["ordermesh.order.v1.OrderStatus"] = {
  ["ORDER_STATUS_UNSPECIFIED"] = 0,
  ["ORDER_STATUS_PENDING_NEW"] = 1,
  ["ORDER_STATUS_NEW"] = 2,
  ["ORDER_STATUS_PARTIALLY_FILLED"] = 3,
  ["ORDER_STATUS_FILLED"] = 4,
  ["ORDER_STATUS_PENDING_CANCEL"] = 5,
  ["ORDER_STATUS_CANCELED"] = 6,
  ["ORDER_STATUS_REJECTED"] = 7,
  ["ORDER_STATUS_EXPIRED"] = 8,
  ["ORDER_STATUS_PENDING_REPLACE"] = 9,
  ["ORDER_STATUS_SUSPENDED"] = 10,
}
shapes.enums["ordermesh.order.v1.ReconciliationKind"] = {
  ["RECONCILIATION_KIND_UNSPECIFIED"] = 0,
  ["RECONCILIATION_KIND_AGREED"] = 1,
  ["RECONCILIATION_KIND_PUT_OFF"] = 2,
  ["RECONCILIATION_KIND_REPORTS_WHILE_AWAY"] = 3,
  ["RECONCILIATION_KIND_COMMANDS_RESENT"] = 4,
  ["RECONCILIATION_KIND_UNKNOWN_AT_VENUE"] = 5,
  ["RECONCILIATION_KIND_OPEN_AT_VENUE_ENDED_HERE"] = 6,
  ["RECONCILIATION_KIND_MISSING_AT_VENUE"] = 7,
  ["RECONCILIATION_KIND_LOST_BY_VENUE"] = 8,
  ["RECONCILIATION_KIND_REPORT_OF_UNKNOWN_ORDER"] = 9,
  ["RECONCILIATION_KIND_FILL_AFTER_END"] = 10,
  ["RECONCILIATION_KIND_REPORT_NOT_LOOKED_INTO"] = 11,
  ["RECONCILIATION_KIND_ADJUSTMENT_NOT_BOOKED"] = 15,
  ["RECONCILIATION_KIND_PASSED_OVER_BY_VENUE"] = 16,
}
shapes.enums["ordermesh.risk.v1.RiskAlertKind"] = {
  ["RISK_ALERT_KIND_UNSPECIFIED"] = 0,
  ["RISK_ALERT_KIND_ORDER_REFUSED"] = 1,
  ["RISK_ALERT_KIND_CIRCUIT_BREAKER_TRIPPED"] = 2,
  ["RISK_ALERT_KIND_CIRCUIT_BREAKER_RESET"] = 3,
  ["RISK_ALERT_KIND_LIMIT_EXCEEDED"] = 4,
  ["RISK_ALERT_KIND_TRADING_STOPPED"] = 5,
  ["RISK_ALERT_KIND_TRADING_RESUMED"] = 6,
}
shapes.enums["ordermesh.risk.v1.TradingState"] = {
  ["TRADING_STATE_UNSPECIFIED"] = 0,
  ["TRADING_STATE_ACTIVE"] = 1,
  ["TRADING_STATE_REDUCING"] = 2,
  ["TRADING_STATE_HALTED"] = 3,
}
shapes.enums["ordermesh.type.v1.Environment"] = {
  ["ENVIRONMENT_UNSPECIFIED"] = 0,
  ["ENVIRONMENT_SIMULATION"] = 1,
  ["ENVIRONMENT_LIVE"] = 2,
}
shapes.enums["ordermesh.type.v1.OrderType"] = {
  ["ORDER_TYPE_UNSPECIFIED"] = 0,
  ["ORDER_TYPE_MARKET"] = 1,
  ["ORDER_TYPE_LIMIT"] = 2,
  ["ORDER_TYPE_STOP"] = 3,
  ["ORDER_TYPE_STOP_LIMIT"] = 4,
  ["ORDER_TYPE_TRAILING_STOP"] = 5,
  ["ORDER_TYPE_MARKET_IF_TOUCHED"] = 7,
  ["ORDER_TYPE_LIMIT_IF_TOUCHED"] = 8,
}
shapes.enums["ordermesh.type.v1.Side"] = {
  ["SIDE_UNSPECIFIED"] = 0,
  ["SIDE_BUY"] = 1,
  ["SIDE_SELL"] = 2,
}
shapes.enums["ordermesh.type.v1.TimeInForce"] = {
  ["TIME_IN_FORCE_UNSPECIFIED"] = 0,
  ["TIME_IN_FORCE_DAY"] = 1,
  ["TIME_IN_FORCE_GTC"] = 2,
  ["TIME_IN_FORCE_IOC"] = 3,
  ["TIME_IN_FORCE_FOK"] = 4,
  ["TIME_IN_FORCE_GTD"] = 5,
  ["TIME_IN_FORCE_AT_THE_OPENING"] = 6,
  ["TIME_IN_FORCE_AT_THE_CLOSE"] = 7,
}
return shapes
