-- Server-Sent Events that a client goes on with after a cut (WHATWG HTML, section 9.2): an event's id is the token to
-- resume after it, and the header `last-event-id`, with which a client comes again, is that token.
local events = {}

local function takes_token(route)
  return shapes.messages[route.input].resume_token ~= nil
end

local function encode(text)
  return (text:gsub("[^%w._~-]", function(letter)
    return string.format("%%%02X", letter:byte())
  end))
end

-- Puts the last id into the query, in place of the token that the client began with: what it has seen since is newer.
function events.resume(headers, route)
  local id = headers:get("last-event-id")
  if not id or id == "" or not takes_token(route) then
    return
  end
  local path, question = headers:get(":path"):match("^([^?]*)%??(.*)$")
  local pairs_left = {}
  for pair in question:gmatch("[^&]+") do
    local name = pair:match("^[^=]*")
    if name ~= "resume_token" and name ~= "resumeToken" then
      pairs_left[#pairs_left + 1] = pair
    end
  end
  pairs_left[#pairs_left + 1] = "resume_token=" .. encode(id)
  headers:replace(":path", path .. "?" .. table.concat(pairs_left, "&"))
end

local function with_id(line)
  local token = line:match('"resume_token":"([^"\\]+)"')
  if line:sub(1, 6) == "data: " and token then
    return "id: " .. token .. "\n" .. line .. "\n\n"
  end
end

-- Gives each event with a token its id. The transcoder writes events whole, one line each; of a piece that is not, none
-- gets an id: who comes again with an older one hears some events twice, as after any cut.
function events.identify(handle, route)
  local kind = handle:headers():get("content-type") or ""
  if not takes_token(route) or kind:sub(1, 17) ~= "text/event-stream" then
    return
  end
  local begins = true
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      local text = chunk:getBytes(0, length)
      local ends = text:sub(-2) == "\n\n"
      if begins and ends then
        chunk:setBytes((text:gsub("([^\n]+)\n\n", with_id)))
      end
      begins = ends
    end
  end
end

return events
