-- Mux Video: webhooks of assets. Source: docs.mux.com/webhook-reference; types of the events in Mux's SDK
-- (muxinc/mux-node-sdk, src/resources/webhooks).
--
-- An asset is one output: its largest rendition, which is what Mux bills. Static renditions are files of their own,
-- each with its own event. No event states a codec, so they wait as unresolved, unless a rule names it.

local function list(node, path)
  local found = at(node, path)
  return type(found) == "table" and found or {}
end

local function track_of(asset, kind)
  for _, track in ipairs(list(asset, "tracks")) do
    if text(track, "type") == kind then return track end
  end
end

-- Mux writes -1 for a rate that it does not know.
local function positive(value)
  local number = tonumber(value)
  return number and number > 0 and value or nil
end

local function is_sound(asset)
  local is_stated = text(asset, "resolution_tier") == "audio-only"
                      or text(asset, "max_stored_resolution") == "Audio only"
  local has_sound_alone = track_of(asset, "audio") and not track_of(asset, "video")
  return is_stated or has_sound_alone
end

local function asset_id(notice)
  local id = text(notice, "data.id") or text(notice, "object.id")
  if not id then error("no data.id: the asset has no id") end
  return id
end

local function read_asset(notice)
  local asset, id = at(notice, "data"), asset_id(notice)
  if text(asset, "status") and text(asset, "status") ~= "ready" then
    return nil, { "the asset is not ready: " .. text(asset, "status") }
  end
  if at(asset, "is_live") == true and text(notice, "type") == "video.asset.ready" then
    return nil, { "the live stream goes on: video.asset.live_stream_completed will say how long it is" }
  end
  if is_sound(asset) then return nil, { "the asset is sound, and its codec is not stated" } end
  local video = track_of(asset, "video")
  local quality = text(asset, "video_quality") or text(asset, "encoding_tier")
  local files = #list(asset, "static_renditions.files")
  return { {
    id = id,
    time = text(notice, "created_at"),
    data = {
      codec = rule(quality),
      width = text(video, "max_width"),
      height = text(video, "max_height"),
      duration = text(asset, "duration"),
      frame_rate = positive(text(video, "max_frame_rate")) or positive(text(asset, "max_stored_frame_rate")),
      quality = quality,
      task_id = id,
    },
  } }, files > 0 and { files .. " static renditions are left to their own events" } or nil
end

-- An output; or nil, and the reason why this file is not an output.
local function read_file(notice, file, asset, duration)
  local name, status = text(file, "name"), text(file, "status")
  if not name or not asset then error("a static rendition has no name, or no asset") end
  if status and status ~= "ready" then return nil, "static rendition " .. name .. " is not ready: " .. status end
  local is_sound_file = text(file, "ext") == "m4a" or ends(name, ".m4a") or text(file, "resolution") == "audio-only"
  if is_sound_file then return nil, "static rendition " .. name .. " is sound, and its codec is not stated" end
  return {
    id = asset .. "/" .. name,
    time = text(notice, "created_at"),
    data = {
      codec = rule(name),
      width = text(file, "width"),
      height = text(file, "height"),
      duration = duration,
      task_id = asset,
      dest_name = name,
      format = text(file, "ext"),
    },
  }
end

-- The event of all renditions has the asset as its data; the older kind of renditions has no other event.
local function read_renditions(notice)
  local asset, outputs, remarks = asset_id(notice), {}, {}
  for _, file in ipairs(list(notice, "data.static_renditions.files")) do
    local output, reason = read_file(notice, file, asset, text(notice, "data.duration"))
    table.insert(output and outputs or remarks, output or reason)
  end
  if #outputs == 0 and #remarks == 0 then return nil, { "no static_renditions.files" } end
  return outputs, remarks
end

local function read_rendition(notice)
  local is_of_asset = text(notice, "object.type") == "asset"
  local asset = text(notice, "data.asset_id") or (is_of_asset and text(notice, "object.id")) or nil
  local output, reason = read_file(notice, at(notice, "data"), asset)
  return { output }, { reason }
end

local readers = {
  ["video.asset.ready"] = read_asset,
  ["video.asset.live_stream_completed"] = read_asset,
  ["video.asset.static_renditions.ready"] = read_renditions,
  ["video.asset.static_rendition.ready"] = read_rendition,
}

function adapt(notice)
  local kind = text(notice, "type") or ""
  local reader = readers[kind]
  if not reader then return nil, { "type is not that of a finished asset or rendition: " .. kind } end
  if type(at(notice, "data")) ~= "table" then error("the event has no data") end
  return reader(notice)
end
