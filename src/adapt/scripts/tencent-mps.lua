-- Tencent Cloud Media Processing Service and Video on Demand: their notices of a finished task, as they are sent and
-- as ParseNotification and PullEvents answer them, and the answers of DescribeTaskDetail. An output's identity is
-- TASK/RESULT in all of them; RESULT is the place in the task's list of results, from 0.
--
-- Sources: cloud.tencent.com/document/product/862/37046 (notices of MPS), /862/37035 (DescribeTaskDetail), /266/9636
-- (notices of VOD); the SDK's models mps v20190612 (WorkflowTask, ScheduleTask, ActivityResItem, MediaTranscodeItem,
-- AdaptiveDynamicStreamingInfoItem) and vod v20180717 (ProcedureTask, EventContent, MediaSubStreamInfoItem).
--
-- MetaData describes the input, so nothing is taken from it.

local ENVELOPES_MAX = 4

-- Where a notice (by EventType) and an answer (by TaskType) have their task.
local EVENTS = {WorkflowTask = "WorkflowTaskEvent", ScheduleTask = "ScheduleTaskEvent",
                ProcedureStateChanged = "ProcedureStateChangeEvent"}
local TASKS = {WorkflowTask = "WorkflowTask", ScheduleTask = "ScheduleTask", Procedure = "ProcedureTask"}

-- The templates that only change the container. There are no others, since users cannot make such templates.
local REMUXES = {["6"] = true, ["9"] = true, ["875"] = true, ["876"] = true}

-- Fps is an integer. These are what is left of 24000/1001, 30000/1001, 60000/1001 and 120000/1001 if it was cut.
local CUT_RATES = {["23"] = true, ["29"] = true, ["59"] = true, ["119"] = true}

local outputs, remarks

local function remark(...)
  table.insert(remarks, string.format(...))
end

local function is_list(value)
  return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local function is_positive(value)
  local number = tonumber(value or "")
  return number ~= nil and number > 0
end

-- The template. An output that was made without one has 0.
local function definition_of(result)
  local made = text(result, "Output.Definition")
  return made ~= nil and made ~= "0" and made or text(result, "Input.Definition")
end

local function frame_rate_of(video)
  local above, below, rounded = text(video, "FpsNumerator"), text(video, "FpsDenominator"), text(video, "Fps")
  if is_positive(above) and is_positive(below) then return above .. "/" .. below end
  if is_positive(rounded) and not CUT_RATES[rounded] then return rounded end
end

-- ---- results ----

-- "0000-00-00T00:00:00Z" is no time. Without one of its own, a result has the time of its task.
local function time_of(task, result)
  local own = text(result, "FinishTime")
  return own ~= nil and not starts(own, "0000") and own or task.finished
end

local function add(task, id, kind, result, data)
  local output = {id = task.id .. "/" .. id, type = kind .. ".finished", time = time_of(task, result), data = data}
  data.task_id = task.id
  data.src_url = text(task.node, "InputInfo.CosInputInfo.Object") or text(task.node, "InputInfo.UrlInputInfo.Url") or
                 text(task.node, "InputInfo.S3InputInfo.S3Object") or text(task.node, "FileUrl")
  table.insert(outputs, output)
end

local function where(output, storage)
  return {dest_name = text(output, "Path") or text(output, "Url"),
          dest_bucket = text(output, storage .. ".CosOutputStorage.Bucket") or
                        text(output, storage .. ".S3OutputStorage.S3Bucket"),
          format = text(output, "Container") or text(output, "Package")}
end

-- Sound is certain if the list of pictures is there and empty, no size is stated, and the sound has a codec.
local function is_sound(output)
  local videos, codec = at(output, "VideoStreamSet"), text(output, "AudioStreamSet.0.Codec")
  local has_size = is_positive(text(output, "Width")) or is_positive(text(output, "Height"))
  return is_list(videos) and #videos == 0 and codec ~= nil and not has_size
end

local function add_sound(task, id, result, data)
  data.codec = text(result, "Output.AudioStreamSet.0.Codec")
  if data.duration == nil then return remark("task %s: result %s has sound, and no duration", task.id, id) end
  add(task, id, "audio", result, data)
end

local function add_video(task, id, result, data)
  local output, video = at(result, "Output"), at(result, "Output.VideoStreamSet.0")
  data.codec = codec(text(video, "Codec")) or rule(definition_of(result))
  data.width = text(video, "Width") or text(output, "Width")
  data.height = text(video, "Height") or text(output, "Height")
  data.frame_rate = frame_rate_of(video)
  add(task, id, "transcode", result, data)
end

local function take_transcode(task, id, result)
  local output = at(result, "Output")
  local data = where(output, "OutputStorage")
  data.duration = text(output, "Duration")
  if REMUXES[definition_of(result)] and data.duration ~= nil then return add(task, id, "remux", result, data) end
  if is_sound(output) then return add_sound(task, id, result, data) end
  add_video(task, id, result, data)
end

-- One result has several renditions. MPS says nothing of them, so the result waits as one output. VOD says the size
-- of each. Neither says codec and duration.
local function take_adaptive(task, id, result)
  local output = at(result, "Output")
  local streams, count = at(output, "SubStreamSet"), 0
  for n, stream in ipairs(is_list(streams) and streams or {}) do
    if text(stream, "Type") == "video" then
      local data = where(output, "Storage")
      data.width, data.height = text(stream, "Width"), text(stream, "Height")
      data.codec = rule(definition_of(result))
      add(task, id .. "/" .. n - 1, "transcode", result, data)
      count = count + 1
    end
  end
  if count > 0 then return end
  local data = where(output, "Storage")
  data.codec = rule(definition_of(result))
  add(task, id, "transcode", result, data)
end

local function take_result(task, place, entry)
  local item = at(entry, "ActivityResItem") or entry
  local kind = text(entry, "Type") or text(entry, "ActivityType") or "no type"
  local transcode, adaptive = at(item, "TranscodeTask"), at(item, "AdaptiveDynamicStreamingTask")
  local result = type(transcode) == "table" and transcode or adaptive
  if type(result) ~= "table" then return remark("task %s: result %d is not a transcode: %s", task.id, place, kind) end
  local status = text(result, "Status") or "none"
  if status ~= "SUCCESS" then return remark("task %s: result %d did not succeed: %s", task.id, place, status) end
  local take = result == transcode and take_transcode or take_adaptive
  take(task, tostring(place), result)
end

-- ---- tasks ----

local function take_task(node, finished)
  local id, status = text(node, "TaskId"), text(node, "Status") or "none"
  local results = at(node, "MediaProcessResultSet") or at(node, "ActivityResultSet")
  if id == nil then
    remark("the task has no TaskId")
  elseif status ~= "FINISH" then
    remark("task %s: it has not finished: %s", id, status)
  elseif not is_list(results) or #results == 0 then
    remark("task %s: no results, ErrCode %s %s", id, text(node, "ErrCode") or "none", text(node, "Message") or "")
  else
    for n, entry in ipairs(results) do take_result({node = node, id = id, finished = finished}, n - 1, entry) end
  end
end

local function take_named(notice, names, member, finished)
  local kind = text(notice, member)
  local node = names[kind] and at(notice, names[kind])
  if names[kind] == nil then
    remark("this %s has no transcodes: %s", member, kind)
  elseif type(node) ~= "table" then
    remark("%s is %s, and there is no %s", member, kind, names[kind])
  else
    take_task(node, finished)
  end
end

-- ---- envelopes ----

local function open(notice, depth)
  if type(notice) ~= "table" or depth > ENVELOPES_MAX then return remark("a part of the notice is not a task") end
  if at(notice, "Error.Code") ~= nil then
    remark("an error of Tencent's API, no task: %s", text(notice, "Error.Code") or "")
  elseif at(notice, "Response") ~= nil then
    open(at(notice, "Response"), depth + 1)
  elseif text(notice, "EventType") ~= nil then
    take_named(notice, EVENTS, "EventType")
  elseif text(notice, "TaskType") ~= nil then
    take_named(notice, TASKS, "TaskType", text(notice, "FinishTime"))
  elseif text(notice, "msgBody") ~= nil then
    open(json(notice.msgBody), depth + 1)
  elseif at(notice, "TaskSet") ~= nil then
    remark("an answer of DescribeTasks, which has no results: ask DescribeTaskDetail for each TaskId")
  elseif is_list(at(notice, "EventSet")) then
    for _, element in ipairs(notice.EventSet) do open(element, depth + 1) end
  else
    remark("neither a notice nor a task of Tencent: no EventType, no TaskType")
  end
end

function adapt(notice)
  outputs, remarks = {}, {}
  open(notice, 0)
  if #outputs + #remarks == 0 then remark("there is nothing in the notice") end
  return outputs, remarks
end
