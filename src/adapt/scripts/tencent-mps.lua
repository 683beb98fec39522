-- Tencent Cloud Media Processing Service: the callback of a WorkflowTask, plain or as ParseNotification answers it.
-- Source: cloud.tencent.com/document/product/862 and tencentcloud.com/document/product/1041/33499 (event
-- notification).
--
-- MetaData describes the input. In MediaProcessResultSet, only transcodes that succeeded have an output.

-- The template. An output that was made without one has 0.
local function definition_of(transcode)
  local made = text(transcode, "Output.Definition")
  if made and made ~= "0" then return made end
  return text(transcode, "Input.Definition")
end

-- An output, or nil and the reason why this result is none.
local function read_result(task, result, number)
  local kind, transcode = text(result, "Type"), at(result, "TranscodeTask")
  if kind ~= "Transcode" or not transcode then
    return nil, "result " .. number .. " is not a transcode: " .. (kind or "")
  end
  local status = text(transcode, "Status")
  if status ~= "SUCCESS" then return nil, "result " .. number .. " did not succeed: " .. (status or "") end
  local streams = at(transcode, "Output.VideoStreamSet")
  if type(streams) == "table" and not next(streams) then return nil, "result " .. number .. " has no video" end
  return {
    id = text(task, "TaskId") .. "/" .. number,
    time = text(transcode, "FinishTime"),
    data = {
      codec = text(transcode, "Output.VideoStreamSet.0.Codec") or rule(definition_of(transcode)),
      width = text(transcode, "Output.VideoStreamSet.0.Width"),
      height = text(transcode, "Output.VideoStreamSet.0.Height"),
      duration = text(transcode, "Output.Duration"),
      dest_name = text(transcode, "Output.Path"),
      dest_bucket = text(transcode, "Output.OutputStorage.CosOutputStorage.Bucket"),
      format = text(transcode, "Output.Container"),
      task_id = text(task, "TaskId"),
      src_url = text(task, "InputInfo.CosInputInfo.Object"),
    },
  }
end

function adapt(notice)
  notice = at(notice, "Response") or notice
  local kind, task = text(notice, "EventType"), at(notice, "WorkflowTaskEvent")
  if kind ~= "WorkflowTask" or not task then return nil, { "EventType is not WorkflowTask: " .. (kind or "") } end
  local status, results = text(task, "Status"), at(task, "MediaProcessResultSet")
  if status ~= "FINISH" or not text(task, "TaskId") or type(results) ~= "table" then
    return nil, { "the task has not finished, or has no results: " .. (status or "") }
  end
  local outputs, remarks = {}, {}
  for n, result in ipairs(results) do
    local output, reason = read_result(task, result, n - 1)
    table.insert(output and outputs or remarks, output or reason)
  end
  return outputs, remarks
end
