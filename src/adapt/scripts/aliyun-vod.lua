-- Alibaba Cloud ApsaraVideo VOD: the events StreamTranscodeComplete (one stream) and TranscodeComplete (all streams
-- of a video). Source: alibabacloud.com/help/en/vod/user-guide/streamtranscodecomplete and …/transcodecomplete.
--
-- Both events may come for one stream. Its JobId is the same in both, so it counts once. The events of some years
-- have no Codec, and no FinishTime.

local function list(node, path)
  local found = at(node, path)
  return type(found) == "table" and found or {}
end

-- The part of an address behind the host, without its query: the host may change, and the query may sign it.
local function path_of(url)
  local path = split(url, "?")[1]
  local scheme = find(path, "://")
  local parts = split(scheme and path:sub(scheme + 3) or path, "/")
  return #parts > 1 and table.concat(parts, "/", 2) or parts[1]
end

local function id_of(notice, stream)
  local job, video, url = text(stream, "JobId"), text(notice, "VideoId"), text(stream, "FileUrl")
  if job then return job end
  if not video then error("a stream has no JobId, and the event has no VideoId") end
  if url then return video .. "/" .. path_of(url) end
  local definition, format = text(stream, "Definition"), text(stream, "Format")
  if not definition or not format then error("a stream has no JobId, no FileUrl, and no Definition with a Format") end
  return video .. "/" .. definition .. "/" .. format
end

-- The events of some years have no IsAudio. An MP3 holds no pictures.
local function is_sound(stream)
  return at(stream, "IsAudio") == true or text(stream, "IsAudio") == "true" or text(stream, "Format") == "mp3"
end

local function codec_of(stream)
  local stated = codec(text(stream, "Codec") or "")
  if stated or not is_sound(stream) then return stated or rule(text(stream, "Definition")) end
  return text(stream, "Format") == "mp3" and "mp3" or nil
end

local function read_stream(notice, stream)
  local sounds = is_sound(stream)
  return {
    id = id_of(notice, stream),
    type = sounds and "audio.finished" or nil,
    time = text(stream, "FinishTime") or text(notice, "FinishTime") or text(notice, "EventTime"),
    data = {
      codec = codec_of(stream),
      width = text(stream, "Width"),
      height = text(stream, "Height"),
      duration = text(stream, "Duration"),
      frame_rate = text(stream, "Fps"),
      task_id = text(notice, "VideoId"),
      dest_name = text(stream, "FileUrl") and path_of(text(stream, "FileUrl")),
      format = text(stream, "Format"),
    },
  }
end

-- Why a stream is no output; nil if it is one. A stream without a status has that of the event.
local function reason_against(notice, stream, number)
  local name = "stream " .. (text(stream, "Definition") or number)
  local fault, status = text(stream, "ErrorCode"), text(stream, "Status") or text(notice, "Status")
  if type(stream) ~= "table" then return name .. " is not an object" end
  if status ~= "success" or fault then
    return name .. " did not succeed: " .. (fault or status or "it has no Status")
  end
  local is_whole = codec_of(stream) and (tonumber(text(stream, "Duration")) or -1) >= 0
  if is_sound(stream) and not is_whole then return name .. " is sound, and its codec or duration is not stated" end
end

function adapt(notice)
  local kind = text(notice, "EventType")
  if kind ~= "StreamTranscodeComplete" and kind ~= "TranscodeComplete" then
    return nil, { "EventType is not StreamTranscodeComplete or TranscodeComplete: " .. (kind or "") }
  end
  local outputs, remarks = {}, {}
  for n, stream in ipairs(kind == "TranscodeComplete" and list(notice, "StreamInfos") or { notice }) do
    local reason = reason_against(notice, stream, n - 1)
    if reason then table.insert(remarks, reason) else table.insert(outputs, read_stream(notice, stream)) end
  end
  if #outputs == 0 and #remarks == 0 then
    local status = text(notice, "Status") or "not stated"
    return nil, { "TranscodeComplete without StreamInfos; its status is " .. status }
  end
  return outputs, remarks
end
