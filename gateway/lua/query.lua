-- Checks the query of a request: every name a field of the request that neither the path nor the body gives.
local query = {}

local function fail(field, reason, text)
  error({ reason = reason, text = text, field = field }, 0)
end

-- Percent-encoding undone; nil when it is broken or hides bytes that are no UTF-8.
function query.decode(text)
  if text:find("%%") then
    if text:gsub("%%%x%x", ""):find("%%") then
      return nil
    end
    text = text:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end)
  end
  return json.is_utf8(text) and text or nil
end

-- The field that a dotted name leads to, or nil.
local function resolve(input, name)
  local fields, field = shapes.messages[input], nil
  for step in (name .. "."):gmatch("([^.]*)%.") do
    field = fields and fields[step]
    if not field then
      return nil
    end
    fields = field.kind == "message" and not field.repeated and shapes.messages[field.type] or nil
  end
  return field
end

local function check_pair(pair, input, taken, given)
  local raw_name, raw_value = pair:match("^([^=]*)=?(.*)$")
  local name, text = query.decode(raw_name), query.decode(raw_value)
  if not name then
    fail("", "INVALID_FIELD", "the query holds a name that is not UTF-8, or badly percent-encoded")
  end
  local field = resolve(input, name)
  local top = shapes.messages[input][name:match("^[^.]*")]
  if not field then
    fail(name, "UNKNOWN_FIELD", "the request has no such parameter")
  elseif taken == "*" or taken[top.name] then
    fail(name, "UNKNOWN_FIELD", "the request does not take this in its query")
  elseif not text then
    fail(name, "INVALID_FIELD", "the value is not UTF-8, or badly percent-encoded")
  elseif given[name] and not field.repeated then
    fail(name, "INVALID_FIELD", "the parameter is given twice")
  end
  given[name] = true
  local problem = values.text(field.kind, field.type, text)
  if problem then
    fail(name, "INVALID_FIELD", problem)
  end
end

-- Checks the query `text` of a request `input`; `taken` holds the fields given elsewhere, or is "*" for all.
function query.check(text, input, taken)
  local given = {}
  for pair in text:gmatch("[^&]+") do
    check_pair(pair, input, taken, given)
  end
end

return query
