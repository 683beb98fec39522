-- What `ffprobe -print_format json -show_format -show_streams FILE` prints. Source: ffprobe's documentation, "json"
-- writer; fields of AVStream and AVFormatContext as it names them.
--
-- It does not say who made the file. So the URL gives source and id, and may give the time.

-- The stream that `codecmeter record` would choose. Cover art is not video.
local function find_video(notice)
  local streams = at(notice, "streams")
  for _, stream in ipairs(type(streams) == "table" and streams or {}) do
    local is_cover = text(stream, "disposition.attached_pic") == "1"
    if text(stream, "codec_type") == "video" and not is_cover then return stream end
  end
end

local on_its_side = { ["90"] = true, ["-90"] = true, ["270"] = true, ["-270"] = true }

local function is_turned(stream)
  if on_its_side[text(stream, "tags.rotate")] then return true end
  local list = at(stream, "side_data_list")
  for _, data in ipairs(type(list) == "table" and list or {}) do
    if on_its_side[text(data, "rotation")] then return true end
  end
  return false
end

-- ffprobe writes N/A for what it does not know.
local function known(value)
  if value ~= "N/A" then return value end
end

function adapt(notice, asked)
  if not asked.source or not asked.id then refuse("the URL must name the output: add ?source=…&id=…") end
  local video = find_video(notice)
  if not video then
    if at(notice, "streams") then return nil, { "no stream of codec_type video" } end
    return nil, { "no streams: check that ffprobe could read the file" }
  end
  local width, height = text(video, "width"), text(video, "height")
  if is_turned(video) then width, height = height, width end
  return { {
    id = asked.id,
    data = {
      codec = text(video, "codec_name"),
      width = width,
      height = height,
      duration = known(text(video, "duration")) or known(text(notice, "format.duration")),
      format = text(notice, "format.format_name"),
      dest_name = text(notice, "format.filename"),
    },
  } }
end
