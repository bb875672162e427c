-- Reads JSON text piece by piece, strictly (RFC 8259): a state `s` holds the text and the position of the next byte.
-- Refuses by raising a table { reason, text }; the caller adds where.
local json = {}

local byte, char, find, match, sub = string.byte, string.char, string.find, string.match, string.sub

local ESCAPES = { [34] = '"', [92] = "\\", [47] = "/", [98] = "\b", [102] = "\f", [110] = "\n", [114] = "\r", [116] = "\t" }
local DEEPEST = 64

function json.fail(reason, text)
  error({ reason = reason, text = text }, 0)
end

local function malformed(s, text)
  json.fail("MALFORMED_JSON", text .. " at byte " .. s.at)
end

function json.open(text)
  return { text = text, at = 1, depth = 0 }
end

-- The next byte that is not white space, left where it is; nil at the end.
-- Loops over bytes here and in strings: LuaJIT compiles them, and does not compile patterns.
function json.peek(s)
  local text, at = s.text, s.at
  local code = byte(text, at)
  while code == 32 or code == 10 or code == 13 or code == 9 do
    at = at + 1
    code = byte(text, at)
  end
  s.at = at
  return code
end

-- Takes one expected byte.
function json.take(s, wanted)
  if json.peek(s) ~= wanted then
    malformed(s, "expected " .. char(wanted))
  end
  s.at = s.at + 1
end

function json.finish(s)
  if json.peek(s) then
    malformed(s, "text after the value")
  end
end

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(
    0xF0 + math.floor(code / 262144),
    0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64,
    0x80 + code % 64
  )
end

local function unicode_escape(s)
  local digits = match(s.text, "^u(%x%x%x%x)", s.at)
  if not digits then
    malformed(s, "bad \\u escape")
  end
  s.at = s.at + 5
  return tonumber(digits, 16)
end

-- After a backslash. A surrogate pair is one character, and half of a pair is none.
local function escape(s)
  local code = byte(s.text, s.at)
  if code ~= 117 then
    local plain = ESCAPES[code]
    if not plain then
      malformed(s, "bad escape")
    end
    s.at = s.at + 1
    return plain
  end
  local high = unicode_escape(s)
  if high < 0xD800 or high > 0xDFFF then
    return utf8(high)
  end
  if high < 0xDC00 and sub(s.text, s.at, s.at) == "\\" then
    s.at = s.at + 1
    local low = unicode_escape(s)
    if low >= 0xDC00 and low <= 0xDFFF then
      return utf8(0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00))
    end
  end
  malformed(s, "half of a surrogate pair")
end

-- Where the next byte stands that a string cannot simply hold.
local function stop_of(text, at)
  local code = byte(text, at)
  while code and code ~= 34 and code ~= 92 and code >= 32 do
    at = at + 1
    code = byte(text, at)
  end
  return at, code
end

function json.string(s)
  json.take(s, 34)
  local pieces
  while true do
    local stop, code = stop_of(s.text, s.at)
    local piece = sub(s.text, s.at, stop - 1)
    s.at = stop + 1
    if code == 34 then
      return pieces and table.concat(pieces) .. piece or piece
    elseif code ~= 92 then
      malformed(s, code and "control character in a string" or "string without an end")
    end
    pieces = pieces or {}
    pieces[#pieces + 1] = piece
    pieces[#pieces + 1] = escape(s)
  end
end

-- The number as it is written: 64 bits do not fit a Lua number.
function json.number(s)
  local text = match(s.text, "^-?%d+%.?%d*[eE]?[+-]?%d*", s.at)
  local whole, rest = match(text or "", "^-?(%d+)(.*)$")
  local fraction, exponent = match(rest or "", "^(%.?%d*)(.*)$")
  local good = whole
    and (whole == "0" or byte(whole) ~= 48)
    and (fraction == "" or match(fraction, "^%.%d+$"))
    and (exponent == "" or match(exponent, "^[eE][+-]?%d+$"))
  if not good then
    malformed(s, "not a number")
  end
  s.at = s.at + #text
  return text
end

-- Takes `true`, `false` or `null` when it stands here.
function json.literal(s, word)
  if sub(s.text, s.at, s.at + #word - 1) ~= word then
    return false
  end
  s.at = s.at + #word
  return true
end

local function deeper(s)
  s.depth = s.depth + 1
  if s.depth > DEEPEST then
    malformed(s, "nested deeper than " .. DEEPEST)
  end
end

-- Calls `member(key)` for each member of an object; `member` takes the value. A key given twice has no one meaning.
function json.object(s, member)
  deeper(s)
  json.take(s, 123)
  local seen = {}
  if json.peek(s) ~= 125 then
    repeat
      if json.peek(s) ~= 34 then
        malformed(s, "expected a name in quotes")
      end
      local key = json.string(s)
      json.take(s, 58)
      json.peek(s)
      if seen[key] then
        malformed(s, "the name " .. key .. " is given twice")
      end
      seen[key] = true
      member(key)
      local more = json.peek(s) == 44
      if more then
        s.at = s.at + 1
      end
    until not more
  end
  json.take(s, 125)
  s.depth = s.depth - 1
end

-- Calls `element(index)` for each element of an array, from 0; `element` takes the value.
function json.array(s, element)
  deeper(s)
  json.take(s, 91)
  if json.peek(s) ~= 93 then
    local index = 0
    repeat
      json.peek(s)
      element(index)
      index = index + 1
      local more = json.peek(s) == 44
      if more then
        s.at = s.at + 1
      end
    until not more
  end
  json.take(s, 93)
  s.depth = s.depth - 1
end

-- Takes any value.
function json.skip(s)
  local code = json.peek(s)
  local function any()
    json.skip(s)
  end
  if code == 123 then
    json.object(s, any)
  elseif code == 91 then
    json.array(s, any)
  elseif code == 34 then
    json.string(s)
  elseif code == 45 or (code and code >= 48 and code <= 57) then
    json.number(s)
  elseif not (json.literal(s, "true") or json.literal(s, "false") or json.literal(s, "null")) then
    malformed(s, code and "not a value" or "the text ends too early")
  end
end

-- Whether the bytes are UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
function json.is_utf8(text)
  local at = find(text, "[\128-\255]")
  while at do
    local first, second = byte(text, at, at + 1)
    second = second or 0
    local length
    if first >= 0xC2 and first <= 0xDF then
      length = 2
    elseif first >= 0xE0 and first <= 0xEF then
      length = 3
    elseif first >= 0xF0 and first <= 0xF4 then
      length = 4
    else
      return false
    end
    local bad = (first == 0xE0 and second < 0xA0)
      or (first == 0xED and second > 0x9F)
      or (first == 0xF0 and second < 0x90)
      or (first == 0xF4 and second > 0x8F)
    local tail = match(text, "^[\128-\191]+", at + 1)
    if bad or not tail or #tail < length - 1 then
      return false
    end
    at = find(text, "[\128-\255]", at + length)
  end
  return true
end

return json
