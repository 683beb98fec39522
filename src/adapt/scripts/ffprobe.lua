-- What `ffprobe -print_format json -show_format -show_streams FILE` prints. Source: ffprobe's documentation, "json"
-- writer; fields of AVStream and AVFormatContext as it names them.
--
-- It does not say who made the file. So the URL gives source and id, and may give the time.
--
-- format.duration is that of the longest stream, or what a header claims. So it is the video's only if the video is
-- alone. Otherwise a duration that the video does not state itself is unknown.

local function list(node, path)
  local found = at(node, path)
  return type(found) == "table" and found or {}
end

-- ffprobe writes N/A for what it does not know, and 0 for the duration of some.
local function positive(value)
  local number = tonumber(value)
  return number and number > 0 and value or nil
end

-- ---- pictures ----

local still_brands = { avif = true, heic = true, heix = true, heim = true, heis = true, mif1 = true }
local picture_names = { ".jpg", ".jpeg", ".jpe", ".jfif" }

local function is_named_as_picture(notice)
  local name = (text(notice, "format.filename") or ""):lower()
  for _, ending in ipairs(picture_names) do
    if ends(name, ending) then return true end
  end
  return false
end

local function number_of(rate)
  local parts = split(rate or "", "/")
  local top, bottom = tonumber(parts[1]), tonumber(parts[2] or 1)
  return top and bottom and bottom > 0 and top > 0 and top / bottom or nil
end

-- A GIF of one picture may state a duration alone.
local function frames_of(stream, format)
  local found = text(stream, "nb_read_frames") or text(stream, "nb_read_packets") or text(stream, "nb_frames")
  if tonumber(found) then return tonumber(found) end
  if format == "image2" then return tonumber(text(stream, "duration_ts")) end
  local rate = number_of(text(stream, "avg_frame_rate")) or number_of(text(stream, "r_frame_rate"))
  local seconds = tonumber(text(stream, "duration"))
  return format == "gif" and rate and seconds and seconds * rate + 0.5 or nil
end

-- Formats that hold pictures and state no times: their durations are ffprobe's invention.
local function is_untimed(format)
  return format == "image2" or format == "mjpeg" or ends(format, "_pipe")
end

-- True if the stream is certainly one picture. A JPEG without a name may be one picture or a motion JPEG, and a WebP
-- that libavcodec cannot decode (0 x 0) is animated.
local function is_still(notice, stream)
  local format, brand = text(notice, "format.format_name") or "", text(notice, "format.tags.major_brand")
  for _, mark in ipairs({ "attached_pic", "still_image", "timed_thumbnails" }) do
    if text(stream, "disposition." .. mark) == "1" then return true end
  end
  if brand and still_brands[brand] then return true end
  if not is_untimed(format) and format ~= "gif" and format ~= "apng" then return false end
  local frames = frames_of(stream, format)
  if frames then return frames < 2 end
  if format == "jpeg_pipe" or format == "mjpeg" then return is_named_as_picture(notice) end
  if format == "webp_pipe" then return positive(text(stream, "width")) ~= nil end
  return ends(format, "_pipe")
end

-- ---- durations ----

local function is_digits(value)
  for i = 1, #value do
    local byte = value:byte(i)
    if byte < 48 or byte > 57 then return false end
  end
  return #value > 0 and #value <= 9
end

-- "00:00:02.023000000", as tags and -sexagesimal write it, in seconds.
local function seconds_of(tag)
  local parts = split(tag, ":")
  if #parts ~= 3 then return nil end
  local seconds = split(parts[3], ".")
  if #seconds > 2 then return nil end
  for _, part in ipairs({ parts[1], parts[2], seconds[1], seconds[2] }) do
    if not is_digits(part) then return nil end
  end
  local whole = tonumber(parts[1]) * 3600 + tonumber(parts[2]) * 60 + tonumber(seconds[1])
  return positive(string.format("%d.%s", whole, seconds[2] or "0"))
end

local function duration_at(node, path)
  local value = text(node, path)
  return positive(value) or (value and seconds_of(value))
end

-- Matroska's statistics of a stream: DURATION, or DURATION-eng, as its muxer writes it.
local function tagged_duration(stream)
  local tag = text(stream, "tags.DURATION")
  local key
  for name in pairs(list(stream, "tags")) do
    if not tag and starts(name, "DURATION-") and (not key or name < key) then key = name end
  end
  tag = tag or (key and text(stream.tags[key]))
  return tag and seconds_of(tag)
end

-- True if no other stream has times, and none was left out by -select_streams.
local function is_alone(notice, stream)
  local streams = list(notice, "streams")
  for _, other in ipairs(streams) do
    local is_timed = text(other, "codec_type") ~= "attachment" and not is_still(notice, other)
    if other ~= stream and is_timed then return false end
  end
  return (tonumber(text(notice, "format.nb_streams")) or 0) <= #streams
end

local function duration_of(notice, stream)
  local is_video = text(stream, "codec_type") == "video"
  if is_video and is_untimed(text(notice, "format.format_name") or "") then return nil end
  local own = duration_at(stream, "duration") or tagged_duration(stream)
  return own or (is_alone(notice, stream) and duration_at(notice, "format.duration")) or nil
end

-- ---- measures ----

local function is_on_its_side(degrees)
  local number = tonumber(degrees)
  if not number or number < -3600 or number > 3600 then return false end
  local rest = math.abs(number) % 180
  return rest > 45 and rest < 135
end

local function is_turned(stream)
  if is_on_its_side(text(stream, "tags.rotate")) then return true end
  for _, data in ipairs(list(stream, "side_data_list")) do
    if is_on_its_side(text(data, "rotation")) then return true end
  end
  return false
end

local function rate_of(stream)
  local rate = text(stream, "avg_frame_rate")
  return rate and not starts(rate, "0/") and not ends(rate, "/0") and rate or nil
end

local function measure_video(notice, stream)
  local width, height = text(stream, "width"), text(stream, "height")
  if is_turned(stream) then width, height = height, width end
  return {
    codec = text(stream, "codec_name"),
    width = width,
    height = height,
    duration = duration_of(notice, stream),
    frame_rate = rate_of(stream),
  }
end

local function measure_sound(notice, stream)
  return { codec = text(stream, "codec_name"), duration = duration_of(notice, stream) }
end

-- ---- which stream ----

local function rank(stream)
  local score = text(stream, "disposition.default") == "1" and 1 or 0
  local is_special = text(stream, "disposition.visual_impaired") == "1"
                       or text(stream, "disposition.hearing_impaired") == "1"
  return is_special and score or score + 1
end

-- Of several streams, those that `codecmeter record` and players prefer: by their marks, then by their bit rate, if
-- each states one.
local function preferred(streams, value_of)
  local best, kept = nil, {}
  for _, stream in ipairs(streams) do
    local value = value_of(stream)
    if not value then return streams end
    if not best or value > best then best, kept = value, {} end
    if value == best then table.insert(kept, stream) end
  end
  return kept
end

local function bit_rate(stream) return tonumber(text(stream, "bit_rate")) end

-- What all preferred streams have in common. The rest is unknown.
local function measure(notice, streams, measure_one)
  local common
  for _, stream in ipairs(preferred(preferred(streams, rank), bit_rate)) do
    local one = measure_one(notice, stream)
    for name, value in pairs(common or {}) do
      if one[name] ~= value then common[name] = nil end
    end
    common = common or one
  end
  return common
end

local function sort_streams(notice)
  local found = { video = {}, audio = {}, still = {} }
  for _, stream in ipairs(list(notice, "streams")) do
    local kind = text(stream, "codec_type")
    if kind == "video" and is_still(notice, stream) then kind = "still" end
    if found[kind] then table.insert(found[kind], stream) end
  end
  return found
end

local function output_of(notice, asked, kind, data)
  data.format = text(notice, "format.format_name")
  data.dest_name = text(notice, "format.filename")
  return { id = asked.id, type = kind, data = data }
end

local function unreadable(notice)
  local reason = text(notice, "error.string")
  return nil, { "no streams: check that ffprobe could read the file" .. (reason and ": " .. reason or "") }
end

function adapt(notice, asked)
  if not asked.source or not asked.id then refuse("the URL must name the output: add ?source=…&id=…") end
  local streams = list(notice, "streams")
  if #streams == 0 then return unreadable(notice) end
  local found = sort_streams(notice)
  if #found.video > 0 then
    return { output_of(notice, asked, "transcode.finished", measure(notice, found.video, measure_video)) }
  end
  if (tonumber(text(notice, "format.nb_streams")) or 0) > #streams then
    return { output_of(notice, asked, "transcode.finished", {}) },
           { "no stream of codec_type video is shown, but the file has other streams: leave out -select_streams" }
  end
  if #found.audio == 0 then
    local is_picture = #found.still > 0
    return nil, { is_picture and "it is a picture, not a video" or "no stream of codec_type video or audio" }
  end
  local sound = measure(notice, found.audio, measure_sound)
  if not sound.codec or not sound.duration then
    return nil, { "no stream of codec_type video, and the sound's codec or duration is not stated" }
  end
  return { output_of(notice, asked, "audio.finished", sound) }
end
