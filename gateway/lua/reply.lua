-- Writes the answer to a refused request: `google.rpc.Status` as JSON.
local reply = {}

local ESCAPED = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
-- What the caller sent is told back only so far as it helps.
local LONGEST_FIELD = 200

local function quote(text)
  return '"' .. text:gsub('[%z\1-\31"\\\127]', function(char)
    return ESCAPED[char] or string.format("\\u%04x", char:byte())
  end) .. '"'
end

-- Cuts at a character's end.
local function cut(text)
  if #text <= LONGEST_FIELD then
    return text
  end
  return text:sub(1, LONGEST_FIELD):gsub("[\192-\255]?[\128-\191]*$", "") .. "…"
end

-- The body for a problem { reason, text, field, code }; INVALID_ARGUMENT where it names no code.
function reply.body(problem)
  local field = problem.field and problem.field ~= "" and cut(problem.field) or nil
  local text = cut(problem.text)
  local details = {
    '{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":' .. quote(problem.reason) .. ',"domain":"ordermesh.dev"}',
  }
  if field then
    details[2] = '{"@type":"type.googleapis.com/google.rpc.BadRequest","field_violations":[{"field":'
      .. quote(field)
      .. ',"description":'
      .. quote(text)
      .. "}]}"
  end
  local message = field and field .. ": " .. text or text
  return '{"code":' .. (problem.code or 3) .. ',"message":' .. quote(message) .. ',"details":[' .. table.concat(details, ",") .. "]}"
end

return reply
