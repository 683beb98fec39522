-- What `mediainfo --Output=JSON FILE` prints. Source: MediaInfoLib, Export_Json and the parameters of its
-- Stream/General.csv, Video.csv, Audio.csv and Image.csv. All values are texts; durations are seconds.
--
-- It does not say who made the file. So the URL gives source and id, and may give the time.
--
-- The duration of the General track is that of the longest track. So it is the video's only if the video is alone.

local function positive(value)
  local number = tonumber(value)
  return number and number > 0 and value or nil
end

-- ---- codecs ----

local video_codecs = {
  ["avc"] = "h264", ["hevc"] = "h265", ["vvc"] = "vvc", ["mpeg-4 visual"] = "mpeg4", ["jpeg"] = "mjpeg",
  ["jpeg 2000"] = "jpeg2000", ["sorenson spark"] = "flv1", ["dv"] = "dvvideo", ["vc-3"] = "dnxhd",
  ["yuv"] = "rawvideo", ["rgb"] = "rawvideo",
}
local audio_codecs = { ["mlp fba"] = "truehd", ["ac-3"] = "ac3", ["e-ac-3"] = "eac3" }
-- Formats of which a second member names the codec.
local versions = {
  ["mpeg video"] = {
    path = "Format_Version",
    ["1"] = "mpeg1video", ["Version 1"] = "mpeg1video", ["2"] = "mpeg2video", ["Version 2"] = "mpeg2video",
  },
  ["vc-1"] = { path = "CodecID", ["WMV3"] = "wmv3", ["WVC1"] = "vc1", ["WMVA"] = "vc1", ["vc-1"] = "vc1" },
  ["mpeg audio"] = { path = "Format_Profile", ["Layer 1"] = "mp1", ["Layer 2"] = "mp2", ["Layer 3"] = "mp3" },
  ["amr"] = { path = "Format_Profile", ["Narrow band"] = "amr_nb", ["Wide band"] = "amr_wb" },
}

-- A CodecID such as "27" is a number of a transport stream, no name.
local function is_word(name)
  local first = name:lower():byte(1)
  return first ~= nil and first >= 97 and first <= 122
end

local function codec_of(track, table_of_kind)
  local format, id = (text(track, "Format") or ""):lower(), text(track, "CodecID")
  local version = versions[format]
  if version then return version[text(track, version.path) or ""] end
  return table_of_kind[format] or codec(format) or (id and is_word(id) and codec(id)) or nil
end

-- ---- measures ----

local timed = { Video = true, Audio = true, Text = true, Other = true }

local function is_alone(tracks, track)
  for _, other in ipairs(tracks) do
    if other ~= track and timed[text(other, "@type") or ""] then return false end
  end
  return true
end

local function duration_of(tracks, general, track)
  local own = positive(text(track, "Duration"))
  return own or (is_alone(tracks, track) and positive(text(general, "Duration"))) or nil
end

local function is_on_its_side(degrees)
  local number = tonumber(degrees)
  if not number or number < -3600 or number > 3600 then return false end
  local rest = math.abs(number) % 180
  return rest > 45 and rest < 135
end

-- The average rate of a variable one is no rate of the stream.
local function rate_of(track)
  if text(track, "FrameRate_Mode") == "VFR" then return nil end
  local numerator, denominator = text(track, "FrameRate_Num"), text(track, "FrameRate_Den")
  if positive(numerator) and positive(denominator) then return numerator .. "/" .. denominator end
  return positive(text(track, "FrameRate"))
end

local function measure_video(tracks, general, track)
  local width, height = text(track, "Width"), text(track, "Height")
  if is_on_its_side(text(track, "Rotation")) then width, height = height, width end
  return {
    codec = codec_of(track, video_codecs),
    width = width,
    height = height,
    duration = duration_of(tracks, general, track),
    frame_rate = rate_of(track),
  }
end

local function measure_sound(tracks, general, track)
  return { codec = codec_of(track, audio_codecs), duration = duration_of(tracks, general, track) }
end

-- ---- which track ----

-- Players show the track that is marked as the default. Without such a mark, none can be told from the others.
local function preferred(tracks)
  local marked = {}
  for _, track in ipairs(tracks) do
    if text(track, "Default") == "Yes" then table.insert(marked, track) end
  end
  return #marked > 0 and marked or tracks
end

-- What all preferred tracks have in common. The rest is unknown.
local function measure(tracks, general, chosen, measure_one)
  local common
  for _, track in ipairs(preferred(chosen)) do
    local one = measure_one(tracks, general, track)
    for name, value in pairs(common or {}) do
      if one[name] ~= value then common[name] = nil end
    end
    common = common or one
  end
  return common
end

-- MediaInfo shows these as pictures whether they move or not.
local may_move = { GIF = true, WebP = true }

local function sort_tracks(tracks)
  local found = { General = {}, Video = {}, Audio = {}, Image = {}, moving = {} }
  local has_cover = false
  for _, track in ipairs(tracks) do
    local kind = text(track, "@type") or ""
    has_cover = has_cover or text(track, "Cover") ~= nil
    local is_cover = has_cover or text(track, "Type") == "Cover"
    if kind == "Image" and may_move[text(track, "Format") or ""] and not is_cover then kind = "moving" end
    if found[kind] then table.insert(found[kind], track) end
  end
  return found
end

local function output_of(notice, asked, general, kind, data)
  data.format = text(general, "Format")
  data.dest_name = text(notice, "media.@ref")
  return { id = asked.id, type = kind, data = data }
end

function adapt(notice, asked)
  if not asked.source or not asked.id then refuse("the URL must name the output: add ?source=…&id=…") end
  local tracks = at(notice, "media.track")
  if type(tracks) ~= "table" or #tracks == 0 then
    return nil, { "no media.track: check that mediainfo could read the file, and that its output is JSON" }
  end
  local found = sort_tracks(tracks)
  local general = found.General[1] or {}
  if #found.Video > 0 then
    local measured = measure(tracks, general, found.Video, measure_video)
    return { output_of(notice, asked, general, "transcode.finished", measured) }
  end
  if #found.moving > 0 then
    return { output_of(notice, asked, general, "transcode.finished", {}) },
           { "a " .. text(found.moving[1], "Format") .. " may be a picture or a video: mediainfo does not say" }
  end
  if #found.Audio == 0 then
    return nil, { #found.Image > 0 and "it is a picture, not a video" or "no track of @type Video or Audio" }
  end
  local sound = measure(tracks, general, found.Audio, measure_sound)
  if not sound.codec or not sound.duration then
    return nil, { "no track of @type Video, and the sound's codec or duration is not stated" }
  end
  return { output_of(notice, asked, general, "audio.finished", sound) }
end
