-- A service that no other script knows: a map, from the setting adapter.NAME.map, says where its notices have the
-- fields of an output. docs/adapters.md, "A service that is not listed", describes the map.
--
--   each=renditions, where=status:done, id=job.id/name, width=video.width, height=video.height, codec=codec
--
-- Measures are looked up in the output alone: a job often has the size of its input under the same names. A path
-- that begins with "$." is looked up in the whole notice. Other fields are looked up in the output, else in the
-- notice.

local measures = { "codec", "width", "height", "duration", "duration_ms", "frame_rate", "passes" }
local others = {
  "quality", "region", "input_duration_ms", "task_id", "created", "src_url", "dest_name", "dest_bucket", "format",
}
local own = { "each", "where", "id", "preset", "time", "time_s", "time_ms" }

local function trim(value)
  while starts(value, " ") or starts(value, "\n") or starts(value, "\t") do value = value:sub(2) end
  while ends(value, " ") or ends(value, "\n") or ends(value, "\t") do value = value:sub(1, -2) end
  return value
end

-- ---- the map ----

local known, is_measure = {}, {}
for _, names in ipairs({ own, measures, others }) do
  for _, name in ipairs(names) do known[name] = true end
end
for _, name in ipairs(measures) do is_measure[name] = true end

local function check_path(field, path)
  for _, step in ipairs(split(path, ".")) do
    if trim(step) ~= step or step == "" then
      error("the map's '" .. field .. "' has the path '" .. path .. "': write names with a point between them", 0)
    end
  end
end

local function is_label_name(name)
  for i = 1, #name do
    local byte = name:byte(i)
    local is_letter, may_follow = byte >= 97 and byte <= 122, byte >= 48 and byte <= 57 or byte == 95
    if not is_letter and (i == 1 or not may_follow) then return false end
  end
  return #name > 0 and #name <= 32
end

local function check_field(field, value)
  if starts(field, "label.") and not is_label_name(field:sub(#"label." + 1)) then
    error("the map's '" .. field .. "': a label's name has 1 to 32 of a-z, 0-9 and _, and begins with a letter", 0)
  end
  if not known[field] and not starts(field, "label.") then
    error("the map has an unknown field '" .. field .. "'; known are " .. table.concat(own, ", ") .. ", "
            .. table.concat(measures, ", ") .. ", " .. table.concat(others, ", ") .. " and label.NAME", 0)
  end
  if find(value, "/") and field ~= "id" then
    error("the map's '" .. field .. "' joins paths by '/': only id may have several", 0)
  end
end

local function read_where(value)
  local colon = find(value, ":")
  local state = colon and trim(value:sub(colon + 1)) or ""
  if state == "" then error("the map's 'where' must be PATH:VALUE, like status:done", 0) end
  check_path("where", trim(value:sub(1, colon - 1)))
  return { path = trim(value:sub(1, colon - 1)), state = state }
end

local function read_field(fields, entry)
  local equals = find(entry, "=")
  local field, value = trim(equals and entry:sub(1, equals - 1) or entry), ""
  if equals then value = trim(entry:sub(equals + 1)) end
  if value == "" then error("the map has '" .. entry .. "': write FIELD=PATH", 0) end
  if fields[field] then error("the map has '" .. field .. "' twice", 0) end
  check_field(field, value)
  if field == "where" then
    fields.where = read_where(value)
    return
  end
  fields[field] = split(value, "/")
  for n, path in ipairs(fields[field]) do
    fields[field][n] = trim(path)
    check_path(field, trim(path))
  end
end

local function read_map(given)
  local fields, labels = {}, 0
  for _, entry in ipairs(split(given, ",")) do
    if trim(entry) ~= "" then read_field(fields, trim(entry)) end
  end
  for field in pairs(fields) do
    if starts(field, "label.") then labels = labels + 1 end
  end
  if labels > 8 then error("the map has more than 8 labels", 0) end
  if not fields.id then
    error("the map names no id: an output needs one that stays the same, like id=job.id/name", 0)
  end
  return fields
end

local fields = map and read_map(map)

-- ---- a notice ----

local function look_up(notice, output, path, is_in_output_alone)
  if starts(path, "$.") then return at(notice, path:sub(3)) end
  local found = at(output, path)
  if found == nil and not is_in_output_alone then return at(notice, path) end
  return found
end

local function value_of(notice, output, field)
  local path = fields[field] and fields[field][1]
  return path and text(look_up(notice, output, path, is_measure[field])) or nil
end

-- Without it, a/b with c and a with b/c would be one identity. The last part may have a "/".
local function escaped(part)
  return table.concat(split(table.concat(split(part, "%"), "%25"), "/"), "%2F")
end

local function id_of(notice, output)
  local parts = {}
  for n, path in ipairs(fields.id) do
    local part = text(look_up(notice, output, path))
    if not part then error("an output has no id: there is nothing at " .. path, 0) end
    table.insert(parts, n < #fields.id and escaped(part) or part)
  end
  return table.concat(parts, "/")
end

local function labels_of(notice, output)
  local labels = {}
  for field in pairs(fields) do
    if starts(field, "label.") then labels[field:sub(#"label." + 1)] = value_of(notice, output, field) end
  end
  return next(labels) and labels or nil
end

local function read_output(notice, output)
  local data = { labels = labels_of(notice, output) }
  for _, names in ipairs({ measures, others }) do
    for _, name in ipairs(names) do data[name] = value_of(notice, output, name) end
  end
  data.codec = codec(data.codec or "") or rule(value_of(notice, output, "preset"))
  return {
    id = id_of(notice, output),
    time = value_of(notice, output, "time"),
    time_s = value_of(notice, output, "time_s"),
    time_ms = value_of(notice, output, "time_ms"),
    data = data,
  }
end

-- A map may take the id of the job, which all outputs have. Then all but one would be taken for copies.
local function check_ids(outputs)
  local seen = {}
  for _, output in ipairs(outputs) do
    if seen[output.id] then
      error("two outputs have the id '" .. output.id .. "': the map's id must tell them apart", 0)
    end
    seen[output.id] = true
  end
end

-- The reason why an element is not an output; nil if it is one.
local function reason_against(notice, output, number)
  if type(output) ~= "table" then return "output " .. number .. " is not an object" end
  if not fields.where then return nil end
  local state = look_up(notice, output, fields.where.path)
  local shown = type(state) == "boolean" and tostring(state) or text(state)
  if shown == fields.where.state then return nil end
  return "output " .. number .. " is not finished: " .. fields.where.path .. " is " .. (shown or "not there")
end

local function outputs_of(notice)
  if not fields.each then return { notice } end
  local found = look_up(notice, notice, fields.each[1])
  if type(found) ~= "table" then return {} end
  if #found == 0 and next(found) then error(fields.each[1] .. " is an object; a list is needed", 0) end
  return found
end

function adapt(notice)
  if not fields then refuse("the adapter generic needs a map: set adapter.NAME.map, and use NAME") end
  local outputs, remarks = {}, {}
  for n, output in ipairs(outputs_of(notice)) do
    local reason = reason_against(notice, output, n - 1)
    if reason then table.insert(remarks, reason) else table.insert(outputs, read_output(notice, output)) end
  end
  check_ids(outputs)
  if #outputs == 0 and #remarks == 0 then return nil, { "no list of outputs at " .. fields.each[1] } end
  return outputs, remarks
end
