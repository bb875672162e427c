-- Checks a JSON body against the shape of a request: every name known, every value of its field's kind.
local body = {}

-- Where in the body we are: names and indexes from the top, joined only when something is wrong.
local function fail(path, reason, text)
  local field = table.concat(path):gsub("^%.", "")
  error({ reason = reason, text = text, field = field }, 0)
end

local function push(path, step)
  path[#path + 1] = step
end

local function pop(path)
  path[#path] = nil
end

-- Something other than what the field takes; what is no JSON at all is told as such.
local function wrong(s, path, text)
  json.skip(s)
  fail(path, "INVALID_FIELD", text)
end

local function is_number(code)
  return code == 45 or (code and code >= 48 and code <= 57)
end

local value

local function scalar(s, path, field)
  local kind, code = field.kind, json.peek(s)
  local problem
  if kind == "bool" then
    if not (json.literal(s, "true") or json.literal(s, "false")) then
      wrong(s, path, "expected true or false")
    end
  elseif kind == "enum" then
    if code == 34 then
      problem = values.enum_name(field.type, json.string(s))
    elseif is_number(code) then
      problem = values.enum_number(field.type, json.number(s))
    else
      wrong(s, path, values.enum_name(field.type, ""))
    end
  elseif code == 34 then
    problem = values.text(kind, field.type, json.string(s))
  elseif values.numbers[kind] and is_number(code) then
    problem = values.numbers[kind](json.number(s))
  else
    wrong(s, path, values.numbers[kind] and values.numbers[kind]("") or "expected a string")
  end
  if problem then
    fail(path, "INVALID_FIELD", problem)
  end
end

local function message(s, path, fields)
  local given = {}
  json.object(s, function(key)
    local field = fields[key]
    push(path, "." .. (field and field.name or key))
    if not field then
      fail(path, "UNKNOWN_FIELD", "the request has no such field")
    elseif given[field.name] then
      fail(path, "MALFORMED_JSON", "the field is given twice")
    end
    given[field.name] = true
    value(s, path, field)
    pop(path)
  end)
end

local function map(s, path, field)
  json.object(s, function(key)
    push(path, "[" .. key .. "]")
    local problem = values.text(field.map, nil, key)
    if problem then
      fail(path, "INVALID_FIELD", "key: " .. problem)
    end
    value(s, path, field, true)
    pop(path)
  end)
end

local function list(s, path, field)
  json.array(s, function(index)
    push(path, "[" .. index .. "]")
    value(s, path, field, true)
    pop(path)
  end)
end

local CONTAINERS = { any_object = 123, any_list = 91, empty = 123, message = 123 }

local function container(s, path, field)
  local code = json.peek(s)
  if code ~= CONTAINERS[field.kind] then
    wrong(s, path, CONTAINERS[field.kind] == 123 and "expected an object" or "expected a list")
  elseif field.kind == "message" then
    message(s, path, shapes.messages[field.type])
  elseif field.kind == "empty" then
    message(s, path, {})
  else
    json.skip(s)
  end
end

-- One value of a field; `inside` tells an element of a list or map, where null has no meaning.
function value(s, path, field, inside)
  local code = json.peek(s)
  if field.kind == "any" then
    json.skip(s)
  elseif json.literal(s, "null") then
    if inside then
      fail(path, "INVALID_FIELD", "null cannot stand here")
    end
  elseif not inside and field.map then
    if code ~= 123 then
      wrong(s, path, "expected an object")
    end
    map(s, path, field)
  elseif not inside and field.repeated then
    if code ~= 91 then
      wrong(s, path, "expected a list")
    end
    list(s, path, field)
  elseif CONTAINERS[field.kind] then
    container(s, path, field)
  else
    scalar(s, path, field)
  end
end

-- Checks `text` as the value that `target` stands for: `{ kind = "message", type = … }` for a whole request.
-- Fields of `bound` come from the path, and are not the body's to give.
function body.check(text, target, bound)
  if not json.is_utf8(text) then
    json.fail("MALFORMED_JSON", "the body is not UTF-8")
  end
  local s = json.open(text)
  if target.kind == "message" and not target.repeated then
    if json.peek(s) ~= 123 then
      json.skip(s)
      json.fail("MALFORMED_JSON", "the body is not a JSON object")
    end
    local fields = shapes.messages[target.type]
    if next(bound) then
      fields = setmetatable({}, {
        __index = function(_, key)
          local field = shapes.messages[target.type][key]
          if field and bound[field.name] then
            fail({ field.name }, "INVALID_FIELD", "the path gives this field; the body cannot")
          end
          return field
        end,
      })
    end
    message(s, { target.name }, fields)
  else
    value(s, { target.name }, target)
  end
  json.finish(s)
end

return body
