-- Zencoder (Brightcove): its notifications of a job and of an output, and its API's job details. Source: "Getting
-- Notifications When Videos Are Finished" and the "Get Job Details" of its API reference (support.brightcove.com).
--
-- A notification of a job has `outputs`, one of an output has `output`, and job details have job.output_media_files.
-- Each output has an id of its own, so all three give it the same identity. Notifications state no finish time.

local function list(node, path)
  local found = at(node, path)
  return type(found) == "table" and found or {}
end

-- Outputs that Zencoder makes without encoding anything.
local no_encodes = { ["playlist"] = true, ["transfer-only"] = true, ["captions"] = true }

-- Addresses may carry a signature that gives access.
local function without_query(url) return url and split(url, "?")[1] end

local function id_of(notice, output)
  local job, id = text(notice, "job.id"), text(output, "id") or text(output, "label") or text(output, "url")
  if not id then error("an output has no id, no label and no url") end
  return job and job .. "/" .. id or id
end

-- An output with a sound codec, and nothing about pictures.
local function is_sound(output)
  local has_picture = text(output, "video_codec") or text(output, "width") or text(output, "height")
                        or text(output, "rfc_6381_video_codec")
  return text(output, "audio_codec") and not has_picture
end

local function read_output(notice, output)
  local sounds = is_sound(output)
  return {
    id = id_of(notice, output),
    type = sounds and "audio.finished" or nil,
    time = text(output, "finished_at"),
    data = {
      codec = sounds and text(output, "audio_codec") or codec(text(output, "video_codec") or "")
                or text(output, "rfc_6381_video_codec") or rule(text(output, "label")),
      width = text(output, "width"),
      height = text(output, "height"),
      duration_ms = text(output, "duration_in_ms"),
      frame_rate = text(output, "frame_rate"),
      input_duration_ms = text(notice, "input.duration_in_ms") or text(notice, "job.input_media_file.duration_in_ms"),
      task_id = text(notice, "job.id"),
      dest_name = without_query(text(output, "url")),
      format = text(output, "format"),
    },
  }
end

-- The reason why an element is not an output; nil if it is one.
local function reason_against(notice, output, number)
  local name = "output " .. (text(output, "label") or number)
  local state = text(output, "state") or text(notice, "job.state")
  local kind = text(output, "type")
  if type(output) ~= "table" then return name .. " is not an object" end
  if not state then return name .. " has no state" end
  if state ~= "finished" then return name .. " is not finished: " .. state end
  if no_encodes[kind or ""] then return name .. " is no transcode: its type is " .. kind end
  if is_sound(output) and not text(output, "duration_in_ms") then return name .. " is sound without a duration" end
end

local function outputs_of(notice)
  local found = list(notice, "outputs")
  if #found == 0 then found = list(notice, "job.output_media_files") end
  if #found == 0 and type(at(notice, "output")) == "table" then found = { notice.output } end
  return found
end

function adapt(notice)
  local outputs, remarks = {}, {}
  for n, output in ipairs(outputs_of(notice)) do
    local reason = reason_against(notice, output, n - 1)
    if reason then table.insert(remarks, reason) else table.insert(outputs, read_output(notice, output)) end
  end
  if #outputs == 0 and #remarks == 0 then
    return nil, { "no outputs; the job's state is " .. (text(notice, "job.state") or "not stated") }
  end
  return outputs, remarks
end
