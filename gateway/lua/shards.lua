-- Sends a call that names its account to the shard of OrderService that owns it. Only a short cut: any shard takes any call.
-- The map is specified in services/README.md.

local function hash_of(text)
  local value = 0xcbf29ce484222325ULL
  for index = 1, #text do
    value = bit.bxor(value, text:byte(index)) * 0x100000001b3ULL
  end
  return value
end

local function shard_of(key, count)
  local bucket, following = -1, 0
  while following < count do
    bucket = following
    key = key * 2862933555777941757ULL + 1ULL
    following = math.floor((bucket + 1) * (2147483648 / tonumber(bit.rshift(key, 33) + 1ULL)))
  end
  return bucket
end

function envoy_on_request(handle)
  local account = handle:headers():get("x-ordermesh-account")
  if account then
    local shard = shard_of(hash_of(account), SHARDS)
    handle:streamInfo():dynamicMetadata():set("envoy.lb", "shard", tostring(shard))
  end
end
