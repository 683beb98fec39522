-- UCloud UMedia: its callback, and that of services that replace it. Source: UCloud's documentation of UMedia,
-- callbacks (回调), under CreateCodecTaskByPatten and CreateFormatTask.
--
-- Three kinds look much alike: a transcode has a width and a height, snapshots have an image_count, a change of
-- container has neither. The callback states no codec and no time.

local function images_of(notice)
  local list = at(notice, "image_list")
  return text(notice, "image_count") or (type(list) == "table" and #list or nil)
end

-- A service may write the members of all kinds: no images and a size are a transcode.
local function is_snapshot(notice)
  if at(notice, "image_count") == nil and at(notice, "image_list") == nil then return false end
  return tonumber(images_of(notice)) ~= 0 or not (at(notice, "width") and at(notice, "height"))
end

-- A notice with neither a size nor a duration could be of any kind: it waits as a transcode.
local function type_of(notice)
  if is_snapshot(notice) then return "snapshot.finished" end
  local duration = tonumber(text(notice, "duration"))
  local is_remux = not at(notice, "width") and not at(notice, "height") and duration and duration >= 0
  return is_remux and "remux.finished" or "transcode.finished"
end

function adapt(notice)
  local task, retcode, name = text(notice, "task_id"), text(notice, "retcode"), text(notice, "dest_video_name")
  if not task or not retcode then return nil, { "no task_id or no retcode" } end
  if retcode ~= "0" then return nil, { "task " .. task .. " failed: retcode " .. retcode } end
  return { {
    id = name and task .. "/" .. name or task,
    type = type_of(notice),
    data = {
      codec = rule(),
      width = text(notice, "width"),
      height = text(notice, "height"),
      duration = text(notice, "duration"),
      image_count = images_of(notice),
      task_id = task,
      src_url = text(notice, "src_url"),
      dest_name = name,
    },
  } }
end
