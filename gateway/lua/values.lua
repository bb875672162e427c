-- Checks values against the kinds of protobuf fields, by the rules of protobuf's JSON form.
-- Each check takes the text of the value and answers nil, or what was expected instead.
local values = {}

local find, match = string.find, string.match

local LIMITS = {
  int32 = { "2147483647", "2147483648" },
  uint32 = { "4294967295", "0" },
  int64 = { "9223372036854775807", "9223372036854775808" },
  uint64 = { "18446744073709551615", "0" },
}
local DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
-- google.protobuf.Duration: about ten thousand years.
local LONGEST_SECONDS = 315576000000

local function not_above(digits, limit)
  return #digits < #limit or (#digits == #limit and digits <= limit)
end

local function integer(kind)
  local highest, lowest = LIMITS[kind][1], LIMITS[kind][2]
  local expected = "expected a whole number from " .. (lowest == "0" and "0" or "-" .. lowest) .. " to " .. highest
  return function(text)
    local sign, digits = match(text, "^(-?)0*(%d+)$")
    if not digits or not not_above(digits, sign == "-" and lowest or highest) then
      return expected
    end
  end
end

local function decimal(text)
  local plain = match(text, "^-?%d+%.?%d*$") or match(text, "^-?%d+%.?%d*[eE][+-]?%d+$")
  if plain then
    local number = tonumber(text)
    return number and number > -math.huge and number < math.huge and nil or "expected a number that a double can hold"
  end
  if text ~= "NaN" and text ~= "Infinity" and text ~= "-Infinity" then
    return "expected a number"
  end
end

local function timestamp(text)
  local expected = "expected a time such as 2026-01-31T09:30:00Z"
  local year, month, day, hour, minute, second, rest =
    match(text, "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)(.*)$")
  if not year then
    return expected
  end
  local fraction, zone = match(rest, "^%.?(%d*)(.*)$")
  local good_fraction = (find(rest, "^%.%d") ~= nil) == (fraction ~= "") and #fraction <= 9
  local offset_hour, offset_minute = match(zone, "^[+-](%d%d):(%d%d)$")
  local good_zone = zone == "Z" or (offset_hour and tonumber(offset_hour) < 24 and tonumber(offset_minute) < 60)
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local leap = (year % 4 == 0 and year % 100 ~= 0) or year % 400 == 0
  local good_date = year >= 1 and DAYS[month] and day >= 1 and day <= DAYS[month] and (month ~= 2 or day < 29 or leap)
  local good_time = tonumber(hour) < 24 and tonumber(minute) < 60 and tonumber(second) < 60
  if not (good_fraction and good_zone and good_date and good_time) then
    return expected
  end
end

local function duration(text)
  local seconds, fraction = match(text, "^-?(%d+)%.?(%d*)s$")
  local good = seconds and #fraction <= 9 and not find(text, ".s", 1, true) and #seconds <= 12
  if not good or tonumber(seconds) > LONGEST_SECONDS then
    return "expected a duration such as 5s or 0.5s"
  end
end

local function bytes(text)
  local plain = match(text, "^[%w+/_-]*(=?=?)$")
  if not plain or (plain ~= "" and #text % 4 ~= 0) or (plain == "" and #text % 4 == 1) then
    return "expected bytes in base64"
  end
end

local function anything() end

-- Kinds written as JSON strings, and kinds written as JSON numbers or strings.
values.strings = {
  string = anything,
  bytes = bytes,
  timestamp = timestamp,
  duration = duration,
  field_mask = anything,
}
values.numbers = {
  int32 = integer("int32"),
  uint32 = integer("uint32"),
  int64 = integer("int64"),
  uint64 = integer("uint64"),
  float = decimal,
  double = decimal,
}

-- An enum's value by name. The zero value stays acceptable here: whether it means anything is the contract's to say.
function values.enum_name(type_name, text)
  local known = shapes.enums[type_name]
  if known[text] then
    return nil
  end
  local names = {}
  for name, number in pairs(known) do
    if number ~= 0 then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(left, right)
    return known[left] < known[right]
  end)
  return "expected one of " .. table.concat(names, ", ")
end

-- An enum's value by number.
function values.enum_number(type_name, text)
  for _, number in pairs(shapes.enums[type_name]) do
    if tostring(number) == text then
      return nil
    end
  end
  return values.enum_name(type_name, "")
end

-- A value that came as bare text (of a query, or a map's key), whatever its kind.
function values.text(kind, type_name, text)
  if kind == "bool" then
    return text ~= "true" and text ~= "false" and "expected true or false" or nil
  elseif kind == "enum" then
    local check = find(text, "^-?%d+$") and values.enum_number or values.enum_name
    return check(type_name, text)
  end
  local check = values.strings[kind] or values.numbers[kind]
  if not check then
    return "a message cannot be written here"
  end
  return check(text)
end

return values
