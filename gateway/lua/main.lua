-- Checks REST requests before they are transcoded, since the transcoder drops unknown fields without a word.
-- What to compare with stands in the route's metadata: `input`, `body`, `needed` and `bound` (see gateway/routes.py).

local function set(text)
  local result = {}
  for name in text:gmatch("[^,]+") do
    result[name] = true
  end
  return result
end

local function check_path(path, bound)
  if path:find("%%") and not query.decode(path) then
    local field = next(bound)
    error({ reason = "INVALID_FIELD", text = "the path is not UTF-8, or badly percent-encoded", field = field }, 0)
  end
end

local function check_query(text, route, bound)
  local taken = route.body == "*" and "*" or bound
  if route.body ~= "" and route.body ~= "*" then
    bound[route.body] = true
  end
  query.check(text, route.input, taken)
end

local function check_body(handle, route, bound)
  local buffer = handle:body()
  if not buffer or buffer:length() == 0 then
    if route.needed then
      error({ reason = "INVALID_FIELD", text = "value is required", field = route.body }, 0)
    end
    return
  end
  if route.body == "" then
    error({ reason = "MALFORMED_JSON", text = "the request takes no body" }, 0)
  end
  local content_type = (handle:headers():get("content-type") or ""):lower():match("^[^;]*")
  if not content_type:find("^application/json%s*$") then
    error({ reason = "MALFORMED_JSON", text = "the body must be application/json", status = "415" }, 0)
  end
  local target = { kind = "message", type = route.input }
  if route.body ~= "*" then
    target = shapes.messages[route.input][route.body]
  end
  body.check(buffer:getBytes(0, buffer:length()), target, route.body == "*" and bound or {})
end

local function refuse(handle, problem)
  handle:streamInfo():dynamicMetadata():set("ordermesh.gateway", "answered", true)
  handle:respond(
    { [":status"] = problem.status or "400", ["content-type"] = "application/json" },
    reply.body(problem)
  )
end

local function route_of(handle)
  local metadata = handle:metadata()
  return { input = metadata:get("input"), body = metadata:get("body"), bound = metadata:get("bound"), needed = metadata:get("needed") }
end

function envoy_on_response(handle)
  local route = route_of(handle)
  if route.input then
    events.identify(handle, route)
  end
end

function envoy_on_request(handle)
  local route = route_of(handle)
  if not route.input then
    return
  end
  local bound = set(route.bound)
  events.resume(handle:headers(), route)
  local path, question = handle:headers():get(":path"):match("^([^?]*)%??(.*)$")
  local good, problem = pcall(function()
    check_path(path, bound)
    if question ~= "" then
      check_query(question, route, bound)
    end
    check_body(handle, route, bound)
  end)
  if good then
    return
  end
  if type(problem) ~= "table" then
    -- A fault of this script: refuse all the same, since what was not checked must not pass.
    handle:logErr("request check failed: " .. tostring(problem))
    problem = { reason = "INTERNAL", text = "the request could not be checked", status = "500", code = 13 }
  end
  refuse(handle, problem)
end
